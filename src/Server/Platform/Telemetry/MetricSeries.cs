using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Atoll.Serving;

namespace Atoll.Platform.Telemetry;

/// <summary>What a metric is to whoever reads it.</summary>
internal enum MetricKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>The values of one instrument, one series for each set of labels. Many threads record at once, without locks, and without allocation once a series is known.</summary>
internal sealed class MetricSeries
{
    /// <summary>Sets of labels of one instrument; what would be a further one is counted in a series that says so.</summary>
    public const int SeriesMax = 2_000;

    // The runtime calls these counters; one that falls would be taken for a restart.
    private static readonly string[] GoUpAndDown = ["dotnet.thread_pool.thread.count", "dotnet.thread_pool.queue.length"];

    private static readonly KeyValuePair<string, object?>[] Overflow = [new("otel.metric.overflow", "true")];

    private readonly ConcurrentDictionary<MetricLabels, Series> _series = new(MetricLabels.Comparer.Instance);
    private readonly ConcurrentDictionary<MetricLabels, Series>.AlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>> _lookup;
    private readonly double[] _bounds;
    private readonly bool _isSum;
    private int _collection;

    public MetricSeries(Instrument instrument, IReadOnlyList<double>? bounds)
    {
        Instrument = instrument;
        _bounds = [.. bounds ?? []];
        _lookup = _series.GetAlternateLookup<ReadOnlySpan<KeyValuePair<string, object?>>>();
        var type = instrument.GetType().GetGenericTypeDefinition();
        Kind = type == typeof(Histogram<>) ? MetricKind.Histogram
            : GoUpAndDown.Contains(instrument.Name) ? MetricKind.Gauge
            : type == typeof(Counter<>) || type == typeof(ObservableCounter<>) ? MetricKind.Counter
            : MetricKind.Gauge;
        _isSum = type == typeof(Counter<>) || type == typeof(UpDownCounter<>);
    }

    public Instrument Instrument { get; }

    public MetricKind Kind { get; }

    public IReadOnlyList<double> Bounds => _bounds;

    /// <summary>The series that there are, in an order that stays.</summary>
    public IEnumerable<Series> All => _series.Values.Where(series => !Instrument.IsObservable || series.Collection == _collection)
        .OrderBy(series => series.Labels.Text, StringComparer.Ordinal);

    /// <summary>Begins a look at everything that is observed; what is not seen in it is gone.</summary>
    public void BeginCollection() => _collection++;

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!_lookup.TryGetValue(tags, out var series)) series = Add(tags);
        if (Kind == MetricKind.Histogram) series.Observe(value, _bounds);
        else if (_isSum) series.Add(value);
        else series.Set(value, _collection);
    }

    private Series Add(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new MetricLabels(_series.Count < SeriesMax ? tags.ToArray() : Overflow);
        return _series.GetOrAdd(labels, static (key, series) => new Series(key, series), this);
    }

    /// <summary>One line of a metric, or the lines of a histogram.</summary>
    internal sealed class Series
    {
        private const double NanosPerSecond = 1e9;

        // A histogram's buckets, and the sum of what was recorded in whole units that are small enough.
        private readonly StripedCounters? _counts;
        private readonly int _buckets;
        private readonly double _unitsOfSum;
        private double _value;

        internal Series(MetricLabels labels, MetricSeries owner)
        {
            Labels = labels;
            if (owner.Kind != MetricKind.Histogram) return;
            _buckets = owner._bounds.Length + 1;
            _counts = new StripedCounters(_buckets + 1);
            _unitsOfSum = owner.Instrument.Unit == "s" ? NanosPerSecond : 1;
        }

        public MetricLabels Labels { get; }

        /// <summary>The value; of a histogram the sum of what was recorded.</summary>
        public double Value => _counts is null ? Volatile.Read(ref _value) : _counts.Sum(_buckets) / _unitsOfSum;

        internal int Collection { get; private set; }

        public long CountOf(int bucket) => _counts!.Sum(bucket);

        internal void Set(double value, int collection)
        {
            Volatile.Write(ref _value, value);
            Collection = collection;
        }

        internal void Add(double value)
        {
            for (var known = Volatile.Read(ref _value); ;)
            {
                var seen = Interlocked.CompareExchange(ref _value, known + value, known);
                if (seen.Equals(known)) return;
                known = seen;
            }
        }

        internal void Observe(double value, double[] bounds)
        {
            var bucket = 0;
            while (bucket < bounds.Length && value > bounds[bucket]) bucket++;
            _counts!.Add(bucket, 1, _buckets, (long)(value * _unitsOfSum));
        }
    }
}
