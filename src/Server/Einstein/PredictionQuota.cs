using System.Collections.Concurrent;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Monitoring;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Atoll.Platform.Security;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Einstein;

/// <summary>How many predictions of a calendar month a tenant has left. Every door's count; this API refuses when none is left.</summary>
/// <remarks>What was used is what the platform recorded, read again each minute, and what came through this API since: no prediction asks the database for it.</remarks>
internal sealed class PredictionQuota(UsageRecorder recorder, IServiceScopeFactory scopes, TenantLimitsDirectory limits, TimeProvider clock) : ITenantMemory
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, Count> _counts = new(StringComparer.Ordinal);

    /// <summary>Takes one prediction and tells the client what is left; or says why it may have none.</summary>
    public async ValueTask<Problem?> TakeAsync(string tenantId, HttpResponse response, CancellationToken cancellationToken)
    {
        var count = await FindAsync(tenantId, cancellationToken);
        var most = limits.Of(tenantId).PredictionsPerMonthMax;
        var used = count.Recorded + Interlocked.Increment(ref count.Since);
        if (used > most) Interlocked.Decrement(ref count.Since);
        var end = EndOf(clock.GetUtcNow().UtcDateTime);
        response.Headers["X-RateLimit-Limit"] = most.ToString(CultureInfo.InvariantCulture);
        response.Headers["X-RateLimit-Remaining"] = Math.Max(0, most - used).ToString(CultureInfo.InvariantCulture);
        response.Headers["X-RateLimit-Reset"] = end.ToString("yyyy-MM-dd HH:mm:ss.0", CultureInfo.InvariantCulture);
        return used > most ? EinsteinProblems.QuotaReached(most, end - clock.GetUtcNow().UtcDateTime) : null;
    }

    /// <summary>The current month; nothing before the first prediction.</summary>
    public static async Task<Ok<EinsteinList<EinsteinUsageResponse>>> HandleAsync(Caller caller, PredictionQuota quota, TenantLimitsDirectory limits, TimeProvider clock, CancellationToken cancellationToken)
    {
        var count = await quota.ReadAsync(caller.TenantId, cancellationToken);
        var used = count.Recorded + Volatile.Read(ref count.Since);
        if (used == 0) return TypedResults.Ok(new EinsteinList<EinsteinUsageResponse>([]));
        var now = clock.GetUtcNow().UtcDateTime;
        var most = limits.Of(caller.TenantId).PredictionsPerMonthMax;
        var organization = EinsteinText.OrganizationOf(caller.TenantId);
        return TypedResults.Ok(new EinsteinList<EinsteinUsageResponse>(
        [
            new EinsteinUsageResponse
            {
                Id = now.ToString("yyyyMM", CultureInfo.InvariantCulture),
                OrganizationId = organization,
                StartsAt = EinsteinText.Date(BeginOf(now)),
                EndsAt = EinsteinText.Date(EndOf(now)),
                PlanData = [new EinsteinPlan("STARTER", 1, "SALESFORCE")],
                LicenseId = organization,
                PredictionsRemaining = Math.Max(0, most - used),
                PredictionsUsed = used,
                PredictionsMax = most,
            },
        ]));
    }

    public void Forget(string tenantId) => _counts.TryRemove(tenantId, out _);

    private ValueTask<Count> FindAsync(string tenantId, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        return _counts.TryGetValue(tenantId, out var known) && known.ReadUtc > now - Fresh && known.ReadUtc >= BeginOf(now)
            ? ValueTask.FromResult(known)
            : new ValueTask<Count>(ReadAsync(tenantId, cancellationToken));
    }

    private async Task<Count> ReadAsync(string tenantId, CancellationToken cancellationToken)
    {
        await recorder.FlushAsync(cancellationToken);
        var now = clock.GetUtcNow().UtcDateTime;
        var first = UsageRecorder.DayOf(BeginOf(now));
        await using var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        var recorded = await scope.ServiceProvider.GetRequiredService<PlatformDb>().UsageDays().Where(usage => string.Compare(usage.Day, first) >= 0)
            .SumAsync(usage => usage.Requests, cancellationToken);
        return _counts[tenantId] = new Count { ReadUtc = now, Recorded = recorded };
    }

    private static DateTime BeginOf(DateTime utc) => new(utc.Year, utc.Month, 1, 0, 0, 0, DateTimeKind.Utc);

    private static DateTime EndOf(DateTime utc) => BeginOf(utc).AddMonths(1);

    /// <summary>What a tenant used: as it was recorded, and since then.</summary>
    private sealed class Count
    {
        public long Since;

        public required DateTime ReadUtc { get; init; }

        public required long Recorded { get; init; }
    }
}
