using System.Text.Json;
using System.Threading.Channels;
using Atoll.Platform.Database;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Training;

/// <summary>Writes what a training process reports into the database, a few times a second.</summary>
internal sealed class RunRecorder(string tenantId, string runId, IServiceScopeFactory scopes, RunSignals signals, TimeProvider clock)
{
    private const int LogLinesMax = 10_000;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly Channel<TrainingLine> _lines = Channel.CreateBounded<TrainingLine>(
        new BoundedChannelOptions(10_000) { SingleReader = true, SingleWriter = true });

    private long _logNumber;

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

    public void Complete() => _lines.Writer.TryComplete();

    /// <summary>Writes until <see cref="Complete"/>. When the database fails, the process's next line does too.</summary>
    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using (var scope = NewScope()) _logNumber = await LastLogNumberAsync(scope, cancellationToken);
            var batch = new List<TrainingLine>();
            while (await _lines.Reader.WaitToReadAsync(cancellationToken))
            {
                while (batch.Count < 1000 && _lines.Reader.TryRead(out var line)) batch.Add(line);
                await using (var scope = NewScope()) await WriteAsync(scope, batch, cancellationToken);
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
        foreach (var message in batch.Select(line => line.Log).OfType<string>())
        {
            if (++_logNumber > LogLinesMax) continue;
            db.RunLogs().Add(new RunLog
            {
                RunId = runId,
                Number = _logNumber,
                AtUtc = now,
                Message = _logNumber < LogLinesMax ? message : $"The log ends here: a run keeps {LogLinesMax} lines.",
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
    }

    private AsyncServiceScope NewScope()
    {
        var scope = scopes.CreateAsyncScope();
        scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        return scope;
    }

    private async Task<long> LastLogNumberAsync(AsyncServiceScope scope, CancellationToken cancellationToken) =>
        await scope.ServiceProvider.GetRequiredService<PlatformDb>().RunLogs().Where(log => log.RunId == runId)
            .MaxAsync(log => (long?)log.Number, cancellationToken) ?? 0;
}
