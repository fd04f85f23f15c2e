using System.Text.Json;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Microsoft.Extensions.Options;

namespace Atoll.Prediction;

/// <summary>Says how rows differ from those that the version behind an endpoint was trained on; nothing is predicted.</summary>
internal static class CheckDrift
{
    public static async Task HandleAsync(
        HttpContext context, string endpoint, Caller caller, RouteTable routes, PlatformDb db, BlobStore blobs,
        IOptions<PredictionOptions> options, CancellationToken cancellationToken)
    {
        var (response, problem) = await RunAsync(context, endpoint, caller, routes, db, blobs, options.Value, cancellationToken);
        if (response is null) await ProblemWriter.WriteAsync(context, problem!);
        else await context.Response.WriteAsJsonAsync(response, AtollJson.Default.DriftResponse, cancellationToken: cancellationToken);
    }

    private static async Task<Outcome<DriftResponse>> RunAsync(
        HttpContext context, string endpoint, Caller caller, RouteTable routes, PlatformDb db, BlobStore blobs, PredictionOptions options, CancellationToken cancellationToken)
    {
        using var rented = PredictionWork.Rent();
        var work = rented.Work;
        if (Predict.ReadQuery(context.Request.Query, work, out var selector, out _) is { } invalid) return invalid;
        var (route, missing) = await Predict.FindAsync(routes, caller.TenantId, endpoint, selector, cancellationToken);
        if (route is null) return missing!;
        var plan = SamplePlan.Of(route);
        if (!plan.CanRead || plan.ListName != "rows") return PredictionProblems.NoDrift(plan, "it does not read the columns of rows", "Only models of tables compare rows.");
        var (version, gone) = await GetModelVersion.FindAsync(route.Model, $"{route.Version}", db, cancellationToken);
        if (version is null) return gone!;
        var report = JsonSerializer.Deserialize(await blobs.ReadAllAsync(version.TenantId, version.ReportDigest, cancellationToken), AtollJson.Default.ModelReportResponse)!;
        if (report.Data?.Columns is not { Count: > 0 } summaries)
            return PredictionProblems.NoDrift(plan, "it is not known how its training data is spread", "Train a new version here; imported and older versions do not say it.");

        // Files of rows have ids and the truth in them, which are of no concern here.
        if (await RequestBody.ReadAsync(context, plan, options, ignoreUnknown: true, work, cancellationToken) is { } unreadable) return unreadable;
        return work.Samples.Count < DriftMeasurement.RowsLeast
            ? PredictionProblems.Invalid(plan, "rows", $"has {work.Samples.Count} rows", $"Send at least {DriftMeasurement.RowsLeast}; fewer differ by chance alone.")
            : DriftMeasurement.Compare(plan, work.Samples, summaries);
    }
}
