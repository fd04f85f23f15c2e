using System.Diagnostics.Metrics;
using System.Text;

namespace Atoll.Platform.Telemetry;

/// <summary>Listens to the meters of this server and of the runtime, and tells what they measured.</summary>
internal sealed class MetricReader : IDisposable
{
    /// <summary>Meters whose names begin so are the server's own.</summary>
    public const string OwnMeters = "Atoll.";

    public const string RuntimeMeter = "System.Runtime";

    // Of the web server what is counted once for each request or connection; the rest would be paid for without being read.
    public static readonly string[] WebInstruments = ["http.server.request.duration", "kestrel.active_connections", "kestrel.rejected_connections"];

    // From tenths of a millisecond, which predictions take, to what imports and streams take.
    public static readonly double[] RequestBounds = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

    private readonly IMeterFactory _meters;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, MetricSeries> _metrics = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();

    public MetricReader(IMeterFactory meters)
    {
        _meters = meters;
        _listener.InstrumentPublished = Publish;
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((MetricSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((MetricSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => ((MetricSeries)state!).Record(value, tags));
        _listener.Start();
    }

    /// <summary>All metrics as they are now.</summary>
    public string Read()
    {
        // One reader at a time: observed values of two would mix.
        lock (_lock)
        {
            foreach (var metric in _metrics.Values) metric.BeginCollection();
            _listener.RecordObservableInstruments();
            var text = new StringBuilder();
            foreach (var metric in _metrics.Values) PrometheusText.Write(text, metric);
            return text.ToString();
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Publish(Instrument instrument, MeterListener listener)
    {
        if (!IsRead(instrument)) return;
        var bounds = WebInstruments.Contains(instrument.Name) ? RequestBounds : (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries;
        var series = new MetricSeries(instrument, bounds);
        lock (_lock) _metrics[PrometheusText.NameOf(series)] = series;
        listener.EnableMeasurementEvents(instrument, series);
    }

    // Another server in this process has instruments of the same names.
    private bool IsRead(Instrument instrument) => instrument.Meter.Name == RuntimeMeter
        || (instrument.Meter.Scope == _meters && (instrument.Meter.Name.StartsWith(OwnMeters, StringComparison.Ordinal) || WebInstruments.Contains(instrument.Name)));
}
