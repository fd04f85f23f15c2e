using System.Globalization;
using System.Runtime.CompilerServices;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Atoll.Serving.Onnx;
using Step = Atoll.Serving.Onnx.RunStatistics.Step;
using Route = Atoll.Deployments.Route;
using Wire = Atoll.Prediction.OpenInference.Grpc.Messages;

namespace Atoll.Prediction.OpenInference;

/// <summary>Tells what was asked of models since they came into memory; their counts go with them.</summary>
internal static class ModelStatistics
{
    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, ServedModels models, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if (route is null) await ProblemWriter.WriteAsync(context, missing!);
        else await MessageAnswer.WriteAsync(context, new ModelStatisticsResponse { ModelStats = { Of(route, models) } }, cancellationToken);
    }

    /// <summary>All models of the tenant that are in memory.</summary>
    public static Task HandleAllAsync(HttpContext context, Caller caller, PlatformDb db, ServedModels models, CancellationToken cancellationToken) =>
        MessageAnswer.WriteAllAsync(context, "model_stats", ListAsync(caller.TenantId, db, models, cancellationToken), cancellationToken);

    /// <summary>Of one version, all zero when it is not in memory.</summary>
    public static Wire.ModelStatistics Of(Route route, ServedModels models)
    {
        var version = new EndpointVersion(route.Endpoint, route.Version, route.ServingDigest);
        return TryRead(route.TenantId, version, models) ?? Make(version, new RunStatistics(), null, models.Clock);
    }

    /// <summary>Of all versions of the tenant that are in memory.</summary>
    public static async IAsyncEnumerable<Wire.ModelStatistics> ListAsync(
        string tenantId, PlatformDb db, ServedModels models, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var version in EndpointVersion.ReadAllAsync(db, cancellationToken))
            if (TryRead(tenantId, version, models) is { } statistics) yield return statistics;
    }

    private static Wire.ModelStatistics? TryRead(string tenantId, EndpointVersion version, ServedModels models)
    {
        if (!models.TryPeek(tenantId, version.Digest, out var lease)) return null;
        using (lease) return Make(version, lease.Session.Statistics, lease.Bytes, models.Clock);
    }

    private static Wire.ModelStatistics Make(EndpointVersion version, RunStatistics statistics, long? bytes, TimeProvider clock) => new()
    {
        Name = version.Name,
        Version = version.Number.ToString(CultureInfo.InvariantCulture),
        LastInference = (ulong)statistics.LastUnixMs(clock),
        InferenceCount = (ulong)statistics.Samples,
        ExecutionCount = (ulong)statistics[Step.ComputeInfer].Count,
        InferenceStats = new InferStatistics
        {
            Success = Make(statistics[Step.Success]),
            Fail = Make(statistics[Step.Fail]),
            Queue = Make(statistics[Step.Queue]),
            ComputeInput = Make(statistics[Step.ComputeInput]),
            ComputeInfer = Make(statistics[Step.ComputeInfer]),
            ComputeOutput = Make(statistics[Step.ComputeOutput]),

            // Nothing is answered from memory of answers.
            CacheHit = new StatisticDuration(),
            CacheMiss = new StatisticDuration(),
        },
        MemoryUsage = { bytes is { } size ? [new MemoryUsage { Type = "CPU", ByteSize = (ulong)size }] : Array.Empty<MemoryUsage>() },
    };

    private static StatisticDuration Make(StepStatistics step) => new() { Count = (ulong)step.Count, Ns = (ulong)step.Nanoseconds };
}
