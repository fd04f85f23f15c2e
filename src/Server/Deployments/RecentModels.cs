using Atoll.Platform;

namespace Atoll.Deployments;

/// <summary>Remembers on disk which models are used, for the warm-up of the next start.</summary>
internal sealed partial class RecentModels(DataFolder folder, ServedModels models, TimeProvider clock, ILogger<RecentModels> logger) : BackgroundService
{
    private const int ModelsMax = 10_000;

    private static readonly TimeSpan Period = TimeSpan.FromMinutes(5);

    private string Path => System.IO.Path.Combine(folder.Root, "recent-models");

    /// <summary>Tenants and digests of serving forms, latest first. A hint: what of it cannot be read is left out.</summary>
    public IReadOnlyList<(string TenantId, string Digest)> Read()
    {
        if (!File.Exists(Path)) return [];
        return
        [
            .. from line in File.ReadLines(Path).Take(ModelsMax)
               let parts = line.Split(' ')
               where parts.Length == 2
               select (parts[0], parts[1]),
        ];
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        Write();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken)) Write();
    }

    private void Write()
    {
        try
        {
            var lines = models.Used(ModelsMax).Select(key => $"{key.Tenant} {key.Digest}\n");
            DurableFiles.WriteAllText(Path, string.Concat(lines));
        }
        catch (IOException failure)
        {
            // The next start is cold, that is all.
            Log.NotWritten(logger, failure);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Which models are used could not be written; the next start does not know what to load first.")]
        public static partial void NotWritten(ILogger logger, Exception failure);
    }
}
