using System.Diagnostics.Metrics;
using Atoll.Platform.Telemetry;

namespace Atoll.Deployments;

/// <summary>How full the memory for models is and how well it serves. Without tenants and models: those are in the usage table and the statistics of the Open Inference Protocol.</summary>
internal sealed class CacheMetrics : IMetrics
{
    private static readonly double[] LoadBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

    private const string Layer = "Atoll.Cache";

    public CacheMetrics(IMeterFactory meters, ServedModels models)
    {
        var meter = meters.Create(Layer);
        var snapshot = models.Snapshot;
        meter.CreateObservableGauge("atoll.cache.size", () => snapshot().Bytes, "By", "Native memory that loaded models take.");
        meter.CreateObservableGauge("atoll.cache.limit", () => snapshot().BytesMax, "By", "Native memory that loaded models may take (Deployments:CacheBytesMax).");
        meter.CreateObservableGauge("atoll.cache.models", () => snapshot().Models, "{model}", "Models in memory.");
        meter.CreateObservableGauge("atoll.cache.models.shared", () => snapshot().Split, "{model}", "Models in memory that share the session of their graph.");
        meter.CreateObservableGauge("atoll.cache.models.hot", () => snapshot().Hot, "{model}", "Shared models that have a session of their own while they are hot.");
        meter.CreateObservableGauge("atoll.cache.models.pinned", () => snapshot().Pinned, "{model}", "Models that are pinned.");
        meter.CreateObservableCounter("atoll.cache.hot.trials", () => models.Hot.Snapshot().Tried, "{model}", "Hot models that were tried with a session of their own.");
        meter.CreateObservableCounter("atoll.cache.hot.kept", () => models.Hot.Snapshot().Kept, "{model}", "Hot models whose own session was faster.");
        meter.CreateObservableGauge("atoll.cache.graphs", () => snapshot().SharedGraphs, "{graph}", "Graphs in memory that models share.");
        meter.CreateObservableCounter("atoll.cache.hits", () => snapshot().Hits, "{request}", "Requests whose model was in memory.");
        meter.CreateObservableCounter("atoll.cache.misses", () => snapshot().Misses, "{request}", "Requests whose model was not in memory.");
        meter.CreateObservableCounter("atoll.cache.loads", () => snapshot().Loads, "{model}", "Models that were brought into memory.");
        meter.CreateObservableCounter("atoll.cache.load.failures", () => snapshot().Failures, "{model}", "Loads that failed.");
        meter.CreateObservableCounter("atoll.cache.evictions", () => snapshot().Evictions, "{model}", "Models that left memory to make room.");
    }

    /// <summary>For the cache to record in.</summary>
    public static Histogram<double> LoadDuration(IMeterFactory meters) => meters.Create(Layer).CreateHistogram(
        "atoll.cache.load.duration", "s", "From the moment a model was wanted until it was in memory.", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LoadBounds });
}
