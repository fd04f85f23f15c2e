using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Security;
using Atoll.Platform.Telemetry;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Http;

/// <summary>Answers a repeated creating request with the first one's answer instead of doing it again.</summary>
/// <remarks>
/// Answers of success are kept, and failures of what had written already; after a refusal the caller may mend the request and send it with the same key. Should the
/// process die between the write and the keeping of its answer, a repetition is done again; unique names then refuse the double.
/// Of an answer that is too large to keep, a repetition gets the status and the Location. A client that goes away does not stop its request: it is just the one who will repeat, and the write may be done already.
/// </remarks>
internal sealed partial class RepeatedRequests(RequestDelegate next, IServiceScopeFactory scopes, TimeProvider clock, ILogger<RepeatedRequests> logger)
{
    private const int AnswerBytesMax = 1 << 20;

    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);

    public async Task InvokeAsync(HttpContext context)
    {
        var endpoint = context.GetEndpoint();
        var key = context.Request.Headers[RepeatableRoutes.Header].ToString();
        if (key.Length == 0 || endpoint is null)
        {
            await next(context);
            return;
        }
        if (endpoint.Metadata.GetMetadata<UnrepeatableRoute>() is { } unrepeatable)
        {
            await ProblemWriter.WriteAsync(context, new Problem(400, ProblemCodes.IdempotencyUnsupported,
                $"This route takes no {RepeatableRoutes.Header}: {unrepeatable.Reason}.", "Send the request without it."));
            return;
        }
        if (endpoint.Metadata.GetMetadata<RepeatableRoute>() is null)
        {
            await next(context);
            return;
        }
        if (key.Length > RepeatableRoutes.KeyCharactersMax || key.Any(c => c is < ' ' or > '~'))
        {
            await ProblemWriter.WriteAsync(context, HttpProblems.InvalidField(
                RepeatableRoutes.Header, "is not a key", $"Use 1 to {RepeatableRoutes.KeyCharactersMax} printable ASCII characters, such as a UUID."));
            return;
        }

        var caller = Caller.Of(context);
        var (earlier, isOurs) = await ReserveAsync(caller, key, context.RequestAborted);
        if (isOurs) await RunAsync(context, caller, key);
        else if (earlier?.Status is null) await ProblemWriter.WriteAsync(context, InProgress());
        else await RepeatAsync(context, earlier);
    }

    /// <summary>Forgets requests that a former process left unfinished; called when this process alone owns the database.</summary>
    public static async Task RecoverAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        await db.RepeatableRequests().IgnoreQueryFilters([PlatformDb.TenantFilter]).Where(request => request.Status == null).ExecuteDeleteAsync(cancellationToken);
    }

    private static Problem InProgress() => new(409, ProblemCodes.RequestInProgress,
        $"A request with this {RepeatableRoutes.Header} is still running.", "Repeat it in a moment to get its answer. Should the answer have been lost, the key is free again after 24 hours.");

    /// <summary>Takes the key, or tells who has it.</summary>
    private async Task<(RepeatableRequest? Earlier, bool IsOurs)> ReserveAsync(Caller caller, string key, CancellationToken cancellationToken)
    {
        await using var scope = ScopeOf(caller);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var now = clock.GetUtcNow().UtcDateTime;
        await db.RepeatableRequests().Where(request => request.ExpiresUtc < now).ExecuteDeleteAsync(cancellationToken);
        var earlier = await Find(db, caller, key).AsNoTracking().SingleOrDefaultAsync(cancellationToken);
        if (earlier is not null) return (earlier, false);
        db.RepeatableRequests().Add(new RepeatableRequest { PrincipalId = caller.PrincipalId, Key = key, ExpiresUtc = now + Kept });
        try
        {
            await db.SaveChangesAsync(cancellationToken);
            return (null, true);
        }
        catch (DbUpdateException exception) when (exception.InnerException is SqliteException { SqliteErrorCode: 19 })
        {
            // Somebody else took it between our look and our write.
            return (null, false);
        }
    }

    private async Task RunAsync(HttpContext context, Caller caller, string key)
    {
        using var digest = new RequestDigest(context.Request);
        var (body, answer) = (context.Response.Body, new MemoryStream());
        var aborted = context.RequestAborted;
        context.Request.Body = digest.Observe(context.Request.Body);
        context.Response.Body = answer;

        // A body that the client does not send to its end still fails: reading it does not depend on this token.
        context.RequestAborted = CancellationToken.None;
        var done = false;
        try
        {
            done = !await TryAsync(context) || context.Response.StatusCode is >= 200 and < 300;
            if (done)
            {
                // From here on the key stays taken for as long as answers are kept, even when this one cannot be.
                await ReadRestAsync(context.Request.Body);
                await KeepAsync(caller, key, digest.Finish(), context.Response, answer.Length <= AnswerBytesMax ? answer.ToArray() : []);
            }
        }
        finally
        {
            context.Response.Body = body;
            context.RequestAborted = aborted;
            if (!done) await ReleaseAsync(caller, key);
        }
        await body.WriteAsync(answer.GetBuffer().AsMemory(0, (int)answer.Length), aborted);
    }

    /// <summary>False when the handler failed after it had written: done again, it would be done twice, so the failure is its answer.</summary>
    private async Task<bool> TryAsync(HttpContext context)
    {
        var db = context.RequestServices.GetRequiredService<PlatformDb>();
        try
        {
            await next(context);
            return true;
        }
        catch (Exception failure) when (db.HasSaved)
        {
            var trace = RequestTrace.IdOf(context);
            Log.FailedAfterWrite(logger, failure, context.Request.Method, (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(no route)", trace);
            context.Response.Clear();
            await ProblemWriter.WriteAsync(context, FailedAfterWrite(trace));
            return false;
        }
    }

    // Not one of the statuses that say "again": that would get this answer once more.
    private static Problem FailedAfterWrite(string trace) => new(500, ProblemCodes.InternalError,
        "The server did what was asked for, and failed before it could say so.",
        $"Look at what is there before you send the request with a new {RepeatableRoutes.Header}, and tell the operator the trace id {trace}.");

    /// <summary>What the handler did not read belongs to the request as well, as far as the client sends it.</summary>
    private static async Task ReadRestAsync(Stream body)
    {
        try
        {
            await body.CopyToAsync(Stream.Null, CancellationToken.None);
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // The client went away, the work is done: its answer is kept for what was read.
        }
    }

    private static async Task RepeatAsync(HttpContext context, RepeatableRequest earlier)
    {
        using var digest = new RequestDigest(context.Request);
        await digest.Observe(context.Request.Body).CopyToAsync(Stream.Null, context.RequestAborted);
        if (digest.Finish() != earlier.Digest)
        {
            await ProblemWriter.WriteAsync(context, new Problem(422, ProblemCodes.IdempotencyMismatch,
                $"This {RepeatableRoutes.Header} was used for another request.", "Draw a new key for every new request."));
            return;
        }
        context.Response.StatusCode = earlier.Status!.Value;
        context.Response.ContentType = earlier.ContentType;
        if (earlier.Location is { } location) context.Response.Headers.Location = location;
        context.Response.Headers["Idempotency-Replayed"] = "true";
        if (earlier.Body is { Length: > 0 } body) await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }

    private async Task KeepAsync(Caller caller, string key, string digest, HttpResponse response, byte[] body)
    {
        var until = clock.GetUtcNow().UtcDateTime + Kept;
        var location = response.Headers.Location.ToString() is { Length: > 0 } text ? text : null;
        await using var scope = ScopeOf(caller);
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        await Find(db, caller, key).ExecuteUpdateAsync(set => set
            .SetProperty(request => request.Digest, digest)
            .SetProperty(request => request.Status, response.StatusCode)
            .SetProperty(request => request.ContentType, response.ContentType)
            .SetProperty(request => request.Location, location)
            .SetProperty(request => request.Body, body)
            .SetProperty(request => request.ExpiresUtc, until), CancellationToken.None);
    }

    private async Task ReleaseAsync(Caller caller, string key)
    {
        await using var scope = ScopeOf(caller);
        await Find(scope.ServiceProvider.GetRequiredService<PlatformDb>(), caller, key).ExecuteDeleteAsync(CancellationToken.None);
    }

    private static IQueryable<RepeatableRequest> Find(PlatformDb db, Caller caller, string key) =>
        db.RepeatableRequests().Where(request => request.PrincipalId == caller.PrincipalId && request.Key == key);

    private AsyncServiceScope ScopeOf(Caller caller)
    {
        var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(caller.TenantId);
        return scope;
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "{Method} {Route} failed after it had written; trace {Trace}.")]
        public static partial void FailedAfterWrite(ILogger logger, Exception exception, string method, string route, string trace);
    }
}
