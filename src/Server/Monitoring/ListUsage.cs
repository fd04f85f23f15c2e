using System.Globalization;
using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Atoll.Tenancy;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Monitoring;

/// <summary>What tenants used, day by day: the caller's own, or for operators of the platform every tenant's.</summary>
internal static class ListUsage
{
    private const int DaysDefault = 30;

    public static async Task<Results<Ok<Page<UsageResponse>>, ProblemHttpResult>> HandleAsync(
        [AsParameters] Paging paging, string? from, string? to, PlatformDb db, TimeProvider clock, CancellationToken cancellationToken)
    {
        if ((paging.Check() ?? Check(ref from, ref to, clock)) is { } invalid) return invalid.ToResult();
        var after = paging.After ?? "";
        var days = Between(db.UsageDays(), from!, to!).Where(usage => string.Compare(usage.Day, after) > 0).OrderBy(usage => usage.Day);
        return TypedResults.Ok(await paging.ReadAsync(days, usage => usage.Day, usage => ToWire(usage, null), cancellationToken));
    }

    public static async Task<Results<Ok<Page<UsageResponse>>, ProblemHttpResult>> HandleAllAsync(
        [AsParameters] Paging paging, string? from, string? to, PlatformDb db, TimeProvider clock, CancellationToken cancellationToken)
    {
        if ((paging.Check() ?? Check(ref from, ref to, clock)) is { } invalid) return invalid.ToResult();

        // A page goes on behind a day's tenant: 2026-01-31/acme.
        var (afterDay, afterTenant) = paging.After?.Split('/', 2) is [var day, var name] ? (day, name) : ("", "");
        var rows = Between(db.UsageDays().IgnoreQueryFilters([PlatformDb.TenantFilter]), from!, to!)
            .Join(db.Tenants(), usage => usage.TenantId, tenant => tenant.Id, (usage, tenant) => new { Usage = usage, tenant.Name })
            .Where(row => string.Compare(row.Usage.Day, afterDay) > 0 || (row.Usage.Day == afterDay && string.Compare(row.Name, afterTenant) > 0))
            .OrderBy(row => row.Usage.Day).ThenBy(row => row.Name);
        return TypedResults.Ok(await paging.ReadAsync(rows, row => $"{row.Usage.Day}/{row.Name}", row => ToWire(row.Usage, row.Name), cancellationToken));
    }

    private static IQueryable<UsageDay> Between(IQueryable<UsageDay> days, string from, string to) =>
        days.AsNoTracking().Where(usage => string.Compare(usage.Day, from) >= 0 && string.Compare(usage.Day, to) <= 0);

    private static Problem? Check(ref string? from, ref string? to, TimeProvider clock)
    {
        to ??= UsageRecorder.DayOf(clock.GetUtcNow().UtcDateTime);
        if (!TryRead(to, out var last)) return Wrong("to", to);
        from ??= UsageRecorder.DayOf(last.AddDays(1 - DaysDefault));
        return TryRead(from, out _) ? null : Wrong("from", from);
    }

    private static bool TryRead(string day, out DateTime value) =>
        DateTime.TryParseExact(day, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out value) && value.Year > 1;

    private static Problem Wrong(string field, string given) =>
        HttpProblems.InvalidField(field, $"is '{(given.Length <= 40 ? given : given[..40])}'", "Give a day of UTC such as 2026-01-31.");

    private static UsageResponse ToWire(UsageDay usage, string? tenant) => new()
    {
        Tenant = tenant,
        Day = usage.Day,
        Requests = usage.Requests,
        Samples = usage.Samples,
        ExecutionMs = usage.ExecutionMicroseconds / 1e3,
        ResidentBytesMax = usage.ResidentBytesMax,
        Refusals = usage.Refusals,
        ModelLoads = usage.ModelLoads,
    };
}
