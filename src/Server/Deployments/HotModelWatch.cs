namespace Atoll.Deployments;

/// <summary>Looks now and then which models are hot, and which are not any more.</summary>
internal sealed partial class HotModelWatch(ServedModels models, TimeProvider clock, ILogger<HotModelWatch> logger) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await models.Hot.TickAsync(stoppingToken);
            }
            catch (IOException failure)
            {
                // The shared session goes on answering.
                Log.NotRead(logger, failure);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "A hot model could not be read to give it a session of its own.")]
        public static partial void NotRead(ILogger logger, Exception failure);
    }
}
