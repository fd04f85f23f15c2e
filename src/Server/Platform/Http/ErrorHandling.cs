using System.Text.Json;
using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Limits;
using Atoll.Platform.Telemetry;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Http;

/// <summary>The one place where exceptions become answers.</summary>
internal sealed partial class ErrorHandling(ILogger<ErrorHandling> logger) : IExceptionHandler
{
    private const int DiskFullOnWindows = unchecked((int)0x80070070);
    private const int DiskFullOnUnix = 28; // ENOSPC, which .NET passes on as it is
    private const int DiskBrokenOnUnix = 5; // EIO
    private const int DiskBrokenOnWindows = unchecked((int)0x8007045D);

    // Somebody has to mend it first.
    private static readonly TimeSpan AfterRepair = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AfterRush = TimeSpan.FromSeconds(5);

    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        if (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to read an answer.
            context.Response.StatusCode = 499;
            return true;
        }
        await ProblemWriter.WriteAsync(context, Explain(logger, context, exception));
        return true;
    }

    /// <summary>Logs what the server did wrong, and says what the client is told.</summary>
    public static Problem Explain(ILogger logger, HttpContext context, Exception exception)
    {
        var problem = exception switch
        {
            LimitReachedException limit => limit.Problem,

            // Also as the reason for which a model could not be loaded.
            BlobCorruptException or BlobMissingException or { InnerException: BlobCorruptException or BlobMissingException } => new Problem(
                503, ProblemCodes.ArtifactDamaged, "What the server stored for this is damaged or lost.", "Tell the operator: the log names the blob; restore it from a backup.") { RetryAfter = AfterRepair },
            BadHttpRequestException { StatusCode: 413 } => new Problem(413, ProblemCodes.TooLarge, "The request body is too large.",
                "Send less, or raise Atoll:RequestBytesMax (Atoll:UploadBytesMax for uploads)."),
            BadHttpRequestException bad when UnreadParameter().Match(bad.Message) is { Success: true } parameter => HttpProblems.InvalidField(
                JsonNamingPolicy.CamelCase.ConvertName(parameter.Groups["name"].Value), $"cannot be read from '{parameter.Groups["value"].Value}'",
                "Send what /openapi/v1.json describes for this route."),
            BadHttpRequestException { InnerException: JsonException json } bad => HttpProblems.InvalidBody(JsonWords.Of(json)) with { Status = bad.StatusCode },
            BadHttpRequestException bad => HttpProblems.InvalidBody(Innermost(bad)) with { Status = bad.StatusCode },
            DbUpdateConcurrencyException => HttpProblems.LostRace(),
            DbUpdateException { InnerException: SqliteException { SqliteErrorCode: 19 } } => HttpProblems.LostRace(),
            SqliteException { SqliteErrorCode: 13 } or IOException { HResult: DiskFullOnWindows or DiskFullOnUnix } => Unavailable("The disk is full."),
            SqliteException { SqliteErrorCode: 5 or 6 } => Unavailable("The database is busy."),
            SqliteException { SqliteErrorCode: 10 } or IOException { HResult: DiskBrokenOnWindows or DiskBrokenOnUnix } => new Problem(
                503, ProblemCodes.StorageUnavailable, "The server's disk could not be read or written.", "Tell the operator: the disk has to be checked, and what is damaged restored from a backup.") { RetryAfter = AfterRepair },
            _ => null,
        };
        if (problem is { Status: 503 }) Log.StorageFailed(logger, exception, problem.Detail);
        if (problem is null)
        {
            var trace = RequestTrace.IdOf(context);
            var endpoint = (context.Features.Get<IExceptionHandlerFeature>()?.Endpoint ?? context.GetEndpoint()) as RouteEndpoint;
            Log.Unhandled(logger, exception, context.Request.Method, endpoint?.RoutePattern.RawText ?? "(no route)", trace);
            problem = new Problem(500, ProblemCodes.InternalError, "The server failed at this request.", $"Tell the operator the trace id {trace}.");
        }
        return problem;
    }

    // The framework tells the parameter and its value only in the text.
    [GeneratedRegex("""^Failed to bind parameter "\S+ (?<name>\w+)" from "(?<value>.{0,100})""")]
    private static partial Regex UnreadParameter();

    private static Problem Unavailable(string what) => new(503, ProblemCodes.StorageUnavailable, what, "Try again in a moment.") { RetryAfter = AfterRush };

    private static string Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner) exception = inner;
        return exception.Message;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "{What}")]
        public static partial void StorageFailed(ILogger logger, Exception exception, string what);

        [LoggerMessage(LogLevel.Error, "{Method} {Route} failed; trace {Trace}.")]
        public static partial void Unhandled(ILogger logger, Exception exception, string method, string route, string trace);
    }
}
