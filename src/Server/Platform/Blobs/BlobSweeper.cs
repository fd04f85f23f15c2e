using Atoll.Platform.Database;

namespace Atoll.Platform.Blobs;

/// <summary>A module's word on which blobs its rows name.</summary>
internal interface IBlobReferences
{
    /// <summary>Every digest that a row of the tenant in scope names.</summary>
    IAsyncEnumerable<string> ReadDigestsAsync(PlatformDb db, CancellationToken cancellationToken);
}

/// <summary>Removes blobs that no row names any more: what was deleted, and what a crash left between blob and row.</summary>
internal sealed partial class BlobSweeper(
    DataFolder folder, BlobStore blobs, IServiceScopeFactory scopes, IEnumerable<IBlobReferences> references, TimeProvider clock, ILogger<BlobSweeper> logger)
    : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromHours(1);

    // A blob is written before its row; younger ones may still get theirs.
    private static readonly TimeSpan Grace = TimeSpan.FromHours(24);

    /// <summary>One sweep. Returns the number of bytes that were freed.</summary>
    public async Task<long> SweepAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        long freed = 0;
        var youngest = clock.GetUtcNow().UtcDateTime - grace;
        foreach (var tenant in Directory.EnumerateDirectories(folder.Blobs))
        {
            var tenantId = Path.GetFileName(tenant);
            var old = Directory.EnumerateFiles(tenant, "*", SearchOption.AllDirectories)
                .Where(file => File.GetLastWriteTimeUtc(file) < youngest).ToList();
            if (old.Count == 0) continue;

            // The references are read after the list of files, so a row that came meanwhile keeps its blob.
            var named = new HashSet<string>();
            await using (var scope = scopes.CreateAsyncScope())
            {
                scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
                var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
                foreach (var module in references)
                    await foreach (var digest in module.ReadDigestsAsync(db, cancellationToken)) named.Add(digest);
            }
            foreach (var file in old.Where(file => !named.Contains(Path.GetFileName(file))))
                freed += blobs.DeleteOlder(tenantId, Path.GetFileName(file), youngest);
        }
        return freed;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    var freed = await SweepAsync(Grace, stoppingToken);
                    if (freed > 0) Log.Swept(logger, freed);
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or System.Data.Common.DbException)
                {
                    Log.Failed(logger, exception);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "Removed {Bytes} bytes of blobs that nothing names any more.")]
        public static partial void Swept(ILogger logger, long bytes);

        [LoggerMessage(LogLevel.Warning, "The sweep of blobs failed; it is tried again in an hour.")]
        public static partial void Failed(ILogger logger, Exception exception);
    }
}
