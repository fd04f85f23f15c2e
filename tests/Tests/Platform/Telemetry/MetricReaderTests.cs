using System.Diagnostics.Metrics;
using Atoll.Platform.Telemetry;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Tests.Platform.Telemetry;

public sealed class MetricReaderTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().AddSingleton<MetricReader>().BuildServiceProvider();
    private readonly MetricReader _reader;
    private readonly Meter _meter;

    public MetricReaderTests()
    {
        _reader = _services.GetRequiredService<MetricReader>();
        _meter = _services.GetRequiredService<IMeterFactory>().Create("Atoll.Test");
    }

    private PrometheusLines Lines => new(_reader.Read());

    public void Dispose() => _services.Dispose();

    [Fact]
    public void Names_carry_unit_and_kind_and_those_of_Triton_stay()
    {
        _meter.CreateCounter<long>("atoll.things", "{thing}", "Things.").Add(3);
        _meter.CreateCounter<double>("atoll.work.time", "s", "Time.").Add(0.5);
        _meter.CreateUpDownCounter<int>("atoll.size", "By", "Size.").Add(-7);
        _meter.CreateCounter<long>("nv_inference_test", null, "As it is.").Add(2);
        var lines = Lines;
        Assert.Equal(3, lines["atoll_things_total"]);
        Assert.Equal(0.5, lines["atoll_work_time_seconds_total"]);
        Assert.Equal(-7, lines["atoll_size_bytes"]);
        Assert.Equal(2, lines["nv_inference_test"]);
        Assert.Equal("counter", lines.Types["nv_inference_test"]);
        Assert.Equal("gauge", lines.Types["atoll_size_bytes"]);
    }

    [Fact]
    public void Labels_and_words_are_escaped()
    {
        _meter.CreateCounter<long>("atoll.odd", null, "Two\nlines and a \\.").Add(1, new KeyValuePair<string, object?>("a.b", "\"x\\y\"\nz"), new("n", 200));
        Assert.Equal(1, Lines["""atoll_odd_total{a_b="\"x\\y\"\nz",n="200"}"""]);
    }

    [Fact]
    public void A_histogram_counts_upwards_and_ends_with_everything()
    {
        var histogram = _meter.CreateHistogram("atoll.time", "s", "Time.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] });
        foreach (var value in (double[])[0.05, 0.1, 0.5, 3]) histogram.Record(value, new KeyValuePair<string, object?>("kind", "a"));
        var lines = Lines;
        Assert.Equal([2, 3, 4], ((string[])["0.1", "1", "+Inf"]).Select(bound => lines[$"atoll_time_seconds_bucket{{kind=\"a\",le=\"{bound}\"}}"]));
        Assert.Equal(4, lines["atoll_time_seconds_count{kind=\"a\"}"]);
        Assert.Equal(3.65, lines["atoll_time_seconds_sum{kind=\"a\"}"], 6);
    }

    [Fact]
    public void What_is_not_observed_any_more_is_gone()
    {
        var kinds = new List<string> { "a", "b" };
        _meter.CreateObservableGauge("atoll.seen", () => kinds.Select((kind, i) => new Measurement<int>(i + 1, new KeyValuePair<string, object?>("kind", kind))), null, "Seen.");
        Assert.Equal(2, Lines["atoll_seen{kind=\"b\"}"]);
        kinds.Remove("b");
        Assert.Equal(["atoll_seen{kind=\"a\"}"], Lines.Series.Where(series => series.StartsWith("atoll_seen", StringComparison.Ordinal)));
    }

    [Fact]
    public void Labels_without_end_end_in_one_series()
    {
        var counter = _meter.CreateCounter<long>("atoll.many", null, "Many.");
        for (var i = 0; i < MetricSeries.SeriesMax + 500; i++) counter.Add(1, new KeyValuePair<string, object?>("i", i));
        var lines = Lines;
        Assert.Equal(500, lines["atoll_many_total{otel_metric_overflow=\"true\"}"]);
        Assert.Equal(MetricSeries.SeriesMax + 1, lines.Series.Count(series => series.StartsWith("atoll_many", StringComparison.Ordinal)));
    }

    [Fact]
    public void Recording_allocates_nothing_once_the_labels_are_known()
    {
        var histogram = _meter.CreateHistogram("atoll.hot", "s", "Hot.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] });
        object status = 200;
        Record(100);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Record(1_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1_100, Lines["atoll_hot_seconds_count{route=\"/v2/models/{model}/infer\",method=\"POST\",status=\"200\"}"]);

        void Record(int times)
        {
            for (var i = 0; i < times; i++)
                histogram.Record(0.5, new KeyValuePair<string, object?>("route", "/v2/models/{model}/infer"), new("method", "POST"), new("status", status));
        }
    }

    [Fact]
    public async Task No_measurement_is_lost_when_many_record_and_somebody_reads()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var counter = _meter.CreateCounter<long>("atoll.raced", null, "Raced.");
        var histogram = _meter.CreateHistogram<double>("atoll.raced.time", "s", "Raced.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [1, 2] });
        var sums = new double[4];
        var writers = Enumerable.Range(0, 4).Select(writer => Task.Run(() =>
        {
            var random = new Random(seed + writer);
            for (var i = 0; i < 20_000; i++)
            {
                var value = random.Next(0, 4);
                sums[writer] += value;
                var label = new KeyValuePair<string, object?>("label", value.ToString(System.Globalization.CultureInfo.InvariantCulture));
                counter.Add(1, label);
                histogram.Record(value, label);
            }
        })).ToArray();
        while (!Task.WhenAll(writers).IsCompleted) _ = Lines;
        await Task.WhenAll(writers);
        var lines = Lines;
        Assert.Equal(80_000, lines.Sum("atoll_raced_total"));
        Assert.Equal(80_000, lines.Sum("atoll_raced_time_seconds_count"));
        Assert.Equal(sums.Sum(), lines.Sum("atoll_raced_time_seconds_sum"), 3);
    }

    [Fact]
    public void Meters_of_others_and_of_another_server_are_not_read()
    {
        using var other = new ServiceCollection().AddMetrics().BuildServiceProvider();
        other.GetRequiredService<IMeterFactory>().Create("Atoll.Test").CreateCounter<long>("atoll.elsewhere", null, "Elsewhere.").Add(1);
        _services.GetRequiredService<IMeterFactory>().Create("Library").CreateCounter<long>("library.things", null, "Things.").Add(1);
        var lines = Lines;
        Assert.DoesNotContain("atoll_elsewhere_total", lines.Types.Keys);
        Assert.DoesNotContain("library_things_total", lines.Types.Keys);
        Assert.Contains("dotnet_gc_collections_total", lines.Types.Keys);
    }
}
