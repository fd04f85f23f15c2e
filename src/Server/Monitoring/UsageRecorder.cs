using System.Data.Common;
using System.Globalization;
using Atoll.Deployments;
using Atoll.Platform.Database;
using Atoll.Platform.Telemetry;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Options;

namespace Atoll.Monitoring;

/// <summary>Writes what tenants used to the database, now and then and at the stop, and sweeps old days.</summary>
internal sealed partial class UsageRecorder(
    UsageCounters counters, ServedModels models, IServiceScopeFactory scopes, IOptions<MonitoringOptions> options, TimeProvider clock, ILogger<UsageRecorder> logger)
    : BackgroundService, IHostedLifecycleService
{
    // Others may write to the database in between.
    private const int TenantsPerTransaction = 500;

    // A tenant that was deleted meanwhile leaves no row behind.
    private const string Upsert = """
        INSERT INTO "usage_days" ("TenantId", "Day", "Requests", "Samples", "ExecutionMicroseconds", "ResidentBytesMax", "Refusals", "ModelLoads")
        SELECT @tenant, @day, @requests, @samples, @execution, @resident, @refusals, @loads WHERE EXISTS (SELECT 1 FROM "tenants" WHERE "Id" = @tenant)
        ON CONFLICT ("TenantId", "Day") DO UPDATE SET
            "Requests" = "usage_days"."Requests" + excluded."Requests", "Samples" = "usage_days"."Samples" + excluded."Samples",
            "ExecutionMicroseconds" = "usage_days"."ExecutionMicroseconds" + excluded."ExecutionMicroseconds",
            "ResidentBytesMax" = CASE WHEN excluded."ResidentBytesMax" > "usage_days"."ResidentBytesMax" THEN excluded."ResidentBytesMax" ELSE "usage_days"."ResidentBytesMax" END,
            "Refusals" = "usage_days"."Refusals" + excluded."Refusals", "ModelLoads" = "usage_days"."ModelLoads" + excluded."ModelLoads"
        """;

    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly Dictionary<(string Day, string TenantId), UsageAmounts> _unwritten = [];
    private string _day = DayOf(clock.GetUtcNow().UtcDateTime);

    /// <summary>A day as it is stored and told.</summary>
    public static string DayOf(DateTime utc) => utc.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>Writes what was counted since the last time. What cannot be written is kept with its day for the next time.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken);
        try
        {
            // It was counted on the day on which the interval began; intervals end at midnight.
            var day = _day;
            foreach (var (tenantId, amounts) in counters.Take()) _unwritten[(day, tenantId)] = _unwritten.GetValueOrDefault((day, tenantId)) + amounts;
            _day = DayOf(clock.GetUtcNow().UtcDateTime);
            foreach (var some in _unwritten.ToList().Chunk(TenantsPerTransaction))
            {
                await WriteAsync(some, cancellationToken);
                foreach (var (key, _) in some) _unwritten.Remove(key);
            }
            if (day != _day) await SweepAsync(cancellationToken);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>The last requests have ended now.</summary>
    /// <remarks>Not cancelled, and here rather than in a task: after a stop that took too long the host waits for no task any more, and what was used would be lost.</remarks>
    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        try
        {
            FlushAsync(CancellationToken.None).GetAwaiter().GetResult();
        }
        catch (Exception exception) when (exception is DbUpdateException or DbException or IOException)
        {
            Log.Failed(logger, exception);
        }
        return Task.CompletedTask;
    }

    public override void Dispose()
    {
        _oneAtATime.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await Task.WhenAny(Task.Delay(UntilNext(), clock, stoppingToken));
            if (stoppingToken.IsCancellationRequested) return;
            try
            {
                // Once begun, to its end.
                await FlushAsync(CancellationToken.None);
            }
            catch (Exception exception) when (exception is DbUpdateException or DbException or IOException)
            {
                Log.Failed(logger, exception);
            }
        }
    }

    private TimeSpan UntilNext()
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var (period, midnight) = (TimeSpan.FromSeconds(options.Value.UsageSeconds), now.Date.AddDays(1) - now);
        return period < midnight ? period : midnight;
    }

    private async Task WriteAsync(IReadOnlyList<KeyValuePair<(string Day, string TenantId), UsageAmounts>> usages, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        await using var command = db.Database.GetDbConnection().CreateCommand();
        command.Transaction = transaction.GetDbTransaction();
        command.CommandText = Upsert;
        var values = ((string[])["tenant", "day", "requests", "samples", "execution", "resident", "refusals", "loads"]).Select(name =>
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = "@" + name;
            command.Parameters.Add(parameter);
            return parameter;
        }).ToArray();
        foreach (var ((day, tenantId), amounts) in usages)
        {
            object[] row =
            [
                tenantId, day, amounts.Requests, amounts.Samples, amounts.ExecutionTicks / TimeSpan.TicksPerMicrosecond, models.BytesOf(tenantId), amounts.Refusals, amounts.ModelLoads,
            ];
            for (var i = 0; i < row.Length; i++) values[i].Value = row[i];
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        await transaction.CommitAsync(cancellationToken);
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        var first = DayOf(clock.GetUtcNow().UtcDateTime.AddDays(-options.Value.UsageDays));
        await using var scope = scopes.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<PlatformDb>().UsageDays().IgnoreQueryFilters([PlatformDb.TenantFilter])
            .Where(usage => string.Compare(usage.Day, first) < 0).ExecuteDeleteAsync(cancellationToken);
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "What tenants used could not be written; it is tried again.")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
