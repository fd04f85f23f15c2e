using System.Globalization;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Registry;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Endpoint = Atoll.Deployments.Endpoint;

namespace Atoll.Monitoring;

/// <summary>The log of an endpoint's predictions: whether there is one, its days, and its lines.</summary>
internal static partial class LogPredictions
{
    private const int DaysMax = 3650;

    public static async Task<Results<Ok<PredictionLogResponse>, ProblemHttpResult>> HandleAsync(
        string endpoint, Caller caller, PlatformDb db, PredictionLog log, CancellationToken cancellationToken) =>
        await FindAsync(endpoint, db, cancellationToken) is { } found
            ? TypedResults.Ok(ToWire(found, log, caller))
            : DeploymentProblems.EndpointNotFound(endpoint).ToResult();

    public static async Task<Results<Ok<PredictionLogResponse>, ProblemHttpResult>> HandlePutAsync(
        string endpoint, PutPredictionLogRequest request, Caller caller, PlatformDb db, PredictionLog log, RegistryChanges changes, ILogger<PredictionLog> logger,
        CancellationToken cancellationToken)
    {
        if (request.Rate is not (>= 0 and <= 1))
            return HttpProblems.InvalidField("rate", $"is {request.Rate.ToString(CultureInfo.InvariantCulture)}", "Give the share of predictions to keep, from 0 (none) to 1 (all).").ToResult();
        if (request.Days is < 1 or > DaysMax) return HttpProblems.InvalidField("days", $"is {request.Days}", $"Give 1 to {DaysMax}.").ToResult();
        if (await FindAsync(endpoint, db, cancellationToken) is not { } found) return DeploymentProblems.EndpointNotFound(endpoint).ToResult();
        (found.LogRate, found.LogDays) = (request.Rate, request.Days ?? found.LogDays);
        await db.SaveChangesAsync(cancellationToken);
        changes.Publish(caller.TenantId, endpoint);
        Log.Set(logger, caller.TenantName, endpoint, found.LogRate, found.LogDays);
        return TypedResults.Ok(ToWire(found, log, caller));
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleDeleteAsync(
        string endpoint, Caller caller, PlatformDb db, PredictionLog log, ILogger<PredictionLog> logger, CancellationToken cancellationToken)
    {
        if (await FindAsync(endpoint, db, cancellationToken) is not { } found) return DeploymentProblems.EndpointNotFound(endpoint).ToResult();
        log.Flush();
        log.Delete(caller.TenantId, found.Id);
        Log.Deleted(logger, caller.TenantName, endpoint);
        return TypedResults.NoContent();
    }

    /// <summary>The lines of a day.</summary>
    public static async Task<Results<FileStreamHttpResult, ProblemHttpResult>> HandleDayAsync(
        string endpoint, string day, Caller caller, PlatformDb db, PredictionLog log, CancellationToken cancellationToken)
    {
        if (await FindAsync(endpoint, db, cancellationToken) is not { } found) return DeploymentProblems.EndpointNotFound(endpoint).ToResult();

        // It becomes part of a path.
        var isDay = DateOnly.TryParseExact(day, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _);
        log.Flush();
        return isDay && log.Open(caller.TenantId, found.Id, day) is { } lines
            ? TypedResults.Stream(lines, "application/x-ndjson")
            : HttpProblems.NotFound("day", day.Length <= 40 ? day : day[..40], $"List the days with: atoll endpoints log {endpoint}.").ToResult();
    }

    private static Task<Endpoint?> FindAsync(string name, PlatformDb db, CancellationToken cancellationToken) =>
        db.Endpoints().SingleOrDefaultAsync(endpoint => endpoint.Name == name, cancellationToken);

    private static PredictionLogResponse ToWire(Endpoint endpoint, PredictionLog log, Caller caller) => new()
    {
        Endpoint = endpoint.Name,
        Rate = endpoint.LogRate,
        Days = endpoint.LogDays,
        Files = [.. log.FilesOf(caller.TenantId, endpoint.Id).Select(file => new PredictionLogDay { Day = file.Day, Bytes = file.Bytes })],
    };

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Tenant} keeps the share {Rate} of the predictions of {Endpoint} for {Days} days.")]
        public static partial void Set(ILogger logger, string tenant, string endpoint, double rate, int days);

        [LoggerMessage(LogLevel.Information, "{Tenant} deleted the log of the predictions of {Endpoint}.")]
        public static partial void Deleted(ILogger logger, string tenant, string endpoint);
    }
}
