using System.Text.Json;
using System.Threading.Channels;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Training;

/// <summary>Writes what a training process reports into the database, a few times a second.</summary>
internal sealed partial class RunRecorder(
    string tenantId, string runId, IServiceScopeFactory scopes, RunSignals signals, TimeProvider clock, ILogger<RunRecorder> logger)
{
    private const int LogLinesMax = 10_000;
    private const int LastTriesMax = 5;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly Channel<TrainingLine> _lines = Channel.CreateBounded<TrainingLine>(
        new BoundedChannelOptions(10_000) { SingleReader = true, SingleWriter = true });

    private long? _logNumber;
    private volatile bool _completed;

    /// <summary>What the process said when it refused.</summary>
    public string? Refusal { get; private set; }

    /// <summary>Takes one line of the process. Waits when the database is slow: a process that reports too much is held up itself.</summary>
    public async ValueTask AddAsync(string text, CancellationToken cancellationToken)
    {
        TrainingLine line;
        try
        {
            line = JsonSerializer.Deserialize(text, TrainingJson.Default.TrainingLine) ?? new TrainingLine { Log = text };
        }
        catch (JsonException)
        {
            // Libraries may print; people should see what.
            line = new TrainingLine { Log = text };
        }
        if (line.Refusal is not null) Refusal = line.Refusal;
        else await _lines.Writer.WriteAsync(line, cancellationToken);
    }

    public void Complete()
    {
        _completed = true;
        _lines.Writer.TryComplete();
    }

    /// <summary>Writes until <see cref="Complete"/>. A failing database is tried again as long as the process lives, and a few times afterwards.</summary>
    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            var lastTries = 0;
            var batch = new List<TrainingLine>();
            while (batch.Count > 0 || await _lines.Reader.WaitToReadAsync(cancellationToken))
            {
                while (batch.Count < 1000 && _lines.Reader.TryRead(out var line)) batch.Add(line);
                try
                {
                    await using var scope = NewScope();
                    await WriteAsync(scope, batch, cancellationToken);
                }
                catch (Exception exception) when (JobWorker.IsStorageFailure(exception) && (!_completed || ++lastTries < LastTriesMax))
                {
                    // Hours of training must not end for what may pass in a second.
                    Log.WriteFailed(logger, exception, runId);
                    await Task.Delay(Interval, clock, cancellationToken);
                    continue;
                }
                batch.Clear();
                signals.Notify(runId);
                await Task.WhenAny(_lines.Reader.Completion, Task.Delay(Interval, clock, cancellationToken));
            }
        }
        catch (Exception exception)
        {
            _lines.Writer.TryComplete(exception);
            throw;
        }
    }

    private async Task WriteAsync(AsyncServiceScope scope, List<TrainingLine> batch, CancellationToken cancellationToken)
    {
        var db = scope.ServiceProvider.GetRequiredService<PlatformDb>();
        var now = clock.GetUtcNow().UtcDateTime;

        // One transaction: a batch that is tried again must not have left half of it behind.
        await using var transaction = await db.Database.BeginTransactionAsync(cancellationToken);
        var number = _logNumber ?? await LastLogNumberAsync(db, cancellationToken);
        foreach (var message in batch.Select(line => line.Log).OfType<string>())
        {
            if (++number > LogLinesMax) continue;
            db.RunLogs().Add(new RunLog
            {
                RunId = runId,
                Number = number,
                AtUtc = now,
                Message = number < LogLinesMax ? message : $"The log ends here: a run keeps {LogLinesMax} lines.",
            });
        }
        foreach (var metric in batch.Select(line => line.Metric).OfType<TrainingLine.MetricLine>().GroupBy(m => (m.Name, m.Step)))
        {
            // A later attempt reports the same steps again.
            var row = await db.RunMetrics().FindAsync([runId, metric.Key.Name, metric.Key.Step], cancellationToken);
            if (row is null) db.RunMetrics().Add(new RunMetric { RunId = runId, Name = metric.Key.Name, Step = metric.Key.Step, Value = metric.Last().Value });
            else row.Value = metric.Last().Value;
        }
        await db.SaveChangesAsync(cancellationToken);
        if (batch.LastOrDefault(line => line.Progress is not null)?.Progress is { } progress)
        {
            await db.Runs().Where(run => run.Id == runId).ExecuteUpdateAsync(
                set => set.SetProperty(run => run.Stage, progress.Stage).SetProperty(run => run.Progress, progress.Fraction), cancellationToken);
        }
        await transaction.CommitAsync(cancellationToken);
        _logNumber = number;
    }

    private AsyncServiceScope NewScope()
    {
        var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        return scope;
    }

    private async Task<long> LastLogNumberAsync(PlatformDb db, CancellationToken cancellationToken) =>
        await db.RunLogs().Where(log => log.RunId == runId)
            .MaxAsync(log => (long?)log.Number, cancellationToken) ?? 0;

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "What run {Run} reports could not be written; it is tried again.")]
        public static partial void WriteFailed(ILogger logger, Exception exception, string run);
    }
}
