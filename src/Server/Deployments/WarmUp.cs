using Atoll.Platform.Database;
using Atoll.Registry;
using Atoll.Serving;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace Atoll.Deployments;

/// <summary>Loads what is pinned, and what was used before the last stop, before the server says that it is ready.</summary>
internal sealed partial class WarmUp(
    PinnedModels pins, RecentModels recent, ServedModels models, IServiceScopeFactory scopes, IOptions<DeploymentsOptions> options, TimeProvider clock, ILogger<WarmUp> logger)
{
    /// <summary>Ends when all is loaded, or when the time for it is over: a slow disk must not keep the server from its work.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (options.Value.WarmUpSecondsMax == 0) return;
        var began = clock.GetTimestamp();
        using var time = new CancellationTokenSource(TimeSpan.FromSeconds(options.Value.WarmUpSecondsMax), clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, time.Token);
        try
        {
            await pins.HoldAllAsync(null, either.Token);
            await LoadRecentAsync(either.Token);
        }
        catch (OperationCanceledException) when (time.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            Log.TimeIsOver(logger, options.Value.WarmUpSecondsMax);
        }
        var snapshot = models.Snapshot();
        if (snapshot.Models > 0) Log.Warm(logger, snapshot.Models, snapshot.Pinned, (long)clock.GetElapsedTime(began).TotalMilliseconds);
    }

    private async Task LoadRecentAsync(CancellationToken cancellationToken)
    {
        foreach (var tenant in recent.Read().GroupBy(model => model.TenantId, model => model.Digest))
        {
            await using var scope = scopes.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant.Key);
            var digests = tenant.ToList();
            var known = await scope.ServiceProvider.GetRequiredService<PlatformDb>().ModelVersions().AsNoTracking()
                .Where(version => digests.Contains(version.ServingDigest)).Select(version => new { version.ServingDigest, version.Signature }).ToListAsync(cancellationToken);
            await Parallel.ForEachAsync(
                known.DistinctBy(version => version.ServingDigest), new ParallelOptions { MaxDegreeOfParallelism = options.Value.LoadsMax, CancellationToken = cancellationToken },
                async (version, token) =>
                {
                    try
                    {
                        await models.WarmAsync(tenant.Key, version.ServingDigest, version.Signature, token, isUrgent: false);
                    }
                    catch (ModelLoadException failure)
                    {
                        // Whoever asks for it is told; the others are to be warm all the same.
                        Log.NotLoaded(logger, failure);
                    }
                });
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{Models} models are in memory, {Pinned} of them pinned, after {Milliseconds} ms.")]
        public static partial void Warm(ILogger logger, int models, int pinned, long milliseconds);

        [LoggerMessage(LogLevel.Warning, "The warm-up took longer than Deployments:WarmUpSecondsMax ({Seconds} s); what is not in memory is loaded by its first request.")]
        public static partial void TimeIsOver(ILogger logger, int seconds);

        [LoggerMessage(LogLevel.Warning, "A model that was used before the last stop could not be loaded.")]
        public static partial void NotLoaded(ILogger logger, Exception failure);
    }
}
