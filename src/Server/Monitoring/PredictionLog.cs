using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Threading.Channels;
using Atoll.Deployments;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Monitoring;

/// <summary>A file of an endpoint's log: a day of UTC and its bytes.</summary>
internal readonly record struct PredictionLogFile(string Day, long Bytes);

/// <summary>Keeps samples of predictions as lines of JSON: a folder for each tenant, in it one for each endpoint, in it a file for each day.</summary>
/// <remarks>
/// Predictions never wait for it: what comes faster than the disk takes it is dropped and counted. A line is written within moments and not flushed to the disk:
/// a power failure may lose the last ones, or leave half a line at a file's end.
/// </remarks>
internal sealed partial class PredictionLog : BackgroundService, IHostedLifecycleService, ITenantMemory
{
    /// <summary>Bytes of a line; longer ones are dropped.</summary>
    public const int LineBytesMax = 256 * 1024;

    private const string TooLarge = "too-large";
    private const string TooFast = "too-fast";
    private const string DiskFull = "disk-full";
    private const string DiskFailed = "disk-failed";

    private const int LinesWaitingMax = 4096;
    private const long BytesWaitingMax = 16L << 20;

    // Of what waits: a tenant that logs everything fills its own part, and the lines of others are not dropped for it.
    private const int TenantsToFill = 4;

    private static readonly TimeSpan SweepPeriod = TimeSpan.FromHours(1);

    private readonly string _root;
    private readonly DiskUsage _disk;
    private readonly IServiceScopeFactory _scopes;
    private readonly TimeProvider _clock;
    private readonly ILogger<PredictionLog> _logger;
    private readonly Counter<long> _written;
    private readonly Counter<long> _dropped;
    private readonly Channel<Item> _items = Channel.CreateBounded<Item>(new BoundedChannelOptions(LinesWaitingMax) { SingleReader = true });

    // Tenants whose lines may still be on their way. Ids are never used again.
    private readonly ConcurrentDictionary<string, bool> _forgotten = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Waiting> _waiting = new(StringComparer.Ordinal);
    private readonly Lock _files = new();
    private long _bytesWaiting;
    private long _sequence;

    public PredictionLog(DataFolder folder, DiskUsage disk, IServiceScopeFactory scopes, IMeterFactory meters, TimeProvider clock, ILogger<PredictionLog> logger)
    {
        _root = folder.Predictions;
        (_disk, _scopes, _clock, _logger) = (disk, scopes, clock, logger);
        var meter = meters.Create("Atoll.Monitoring");
        _written = meter.CreateCounter<long>("atoll.prediction_log.written", "{line}", "Predictions that were written to the log of their endpoint.");
        _dropped = meter.CreateCounter<long>("atoll.prediction_log.dropped", "{line}", "Predictions that were chosen for the log and left out, by reason.");

        // What is told from the beginning grows from zero, which is seen.
        _written.Add(0);
        foreach (var reason in (string[])[TooLarge, TooFast, DiskFull, DiskFailed]) CountDropped(0, reason);
    }

    /// <summary>Whether a prediction is among those that are kept.</summary>
    /// <param name="rate">Share of the predictions: 0 to 1.</param>
    public bool Takes(double rate)
    {
        if (rate >= 1) return true;

        // SplitMix64 of a running number: as good as dice for this, without a state that threads share beyond it.
        var mixed = (ulong)Interlocked.Increment(ref _sequence) * 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return (mixed >> 11) * (1.0 / (1UL << 53)) < rate;
    }

    /// <summary>Whether a line would be taken now, asked before it is made; one that would not is counted as dropped.</summary>
    public bool HasRoom(string tenantId)
    {
        if (Interlocked.Read(ref _bytesWaiting) < BytesWaitingMax && (!_waiting.TryGetValue(tenantId, out var own) || own.HasRoom)) return true;
        CountDropped(1, TooFast);
        return false;
    }

    /// <summary>Counts a line that was given up because it became too long.</summary>
    public void DropTooLong() => CountDropped(1, TooLarge);

    /// <summary>Takes a line to be written soon; a full queue drops it, as does a tenant's full part of it.</summary>
    /// <param name="line">A line of JSON with its end.</param>
    public void Add(string tenantId, string endpointId, byte[] line)
    {
        if (line.Length > LineBytesMax)
        {
            DropTooLong();
            return;
        }
        var own = _waiting.GetOrAdd(tenantId, static _ => new Waiting());
        if (own.TryTake(line.Length))
        {
            if (Interlocked.Add(ref _bytesWaiting, line.Length) <= BytesWaitingMax
                && _items.Writer.TryWrite(new Item(tenantId, endpointId, UsageRecorder.DayOf(_clock.GetUtcNow().UtcDateTime), line, own))) return;
            Interlocked.Add(ref _bytesWaiting, -line.Length);
            own.Give(line.Length);
        }
        CountDropped(1, TooFast);
    }

    /// <summary>The days of an endpoint, the oldest first.</summary>
    public IReadOnlyList<PredictionLogFile> FilesOf(string tenantId, string endpointId)
    {
        var folder = new DirectoryInfo(FolderOf(tenantId, endpointId));
        return folder.Exists
            ? [.. folder.EnumerateFiles("*.jsonl").Select(file => new PredictionLogFile(Path.GetFileNameWithoutExtension(file.Name), file.Length)).OrderBy(file => file.Day, StringComparer.Ordinal)]
            : [];
    }

    /// <summary>A day as it is now; null when nothing was kept.</summary>
    /// <param name="day">Checked by the caller to be a day.</param>
    public FileStream? Open(string tenantId, string endpointId, string day)
    {
        var file = FileOf(tenantId, endpointId, day);
        return File.Exists(file) ? new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete) : null;
    }

    /// <summary>Deletes the days of an endpoint before one; all when it is null.</summary>
    public void Delete(string tenantId, string endpointId, string? before = null)
    {
        lock (_files)
        {
            foreach (var file in FilesOf(tenantId, endpointId))
            {
                if (before is not null && string.CompareOrdinal(file.Day, before) >= 0) break;
                // Asked first: it counts the files that are there when it is asked for the first time.
                _disk.BytesOf(tenantId);
                File.Delete(FileOf(tenantId, endpointId, file.Day));
                _disk.Release(tenantId, file.Bytes);
            }
        }
    }

    public void Forget(string tenantId)
    {
        _forgotten[tenantId] = true;
        lock (_files)
        {
            var folder = Path.Combine(_root, tenantId);
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Writes what waits.</summary>
    public void Flush()
    {
        lock (_files)
        {
            var lines = new List<Item>();
            while (_items.Reader.TryRead(out var item)) lines.Add(item);
            foreach (var file in lines.GroupBy(item => (item.TenantId, item.EndpointId, item.Day))) Write_NeedsLock(file.Key.TenantId, file.Key.EndpointId, file.Key.Day, [.. file]);
        }
    }

    /// <summary>Deletes what is older than its endpoint keeps it, and what endpoints left that are gone.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        var today = _clock.GetUtcNow().UtcDateTime;
        foreach (var tenant in Directory.EnumerateDirectories(_root).Select(Path.GetFileName).OfType<string>())
        {
            await using var scope = _scopes.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenant);
            var days = await scope.ServiceProvider.GetRequiredService<PlatformDb>().Endpoints().ToDictionaryAsync(endpoint => endpoint.Id, endpoint => endpoint.LogDays, cancellationToken);
            foreach (var endpoint in Directory.EnumerateDirectories(Path.Combine(_root, tenant)).Select(Path.GetFileName).OfType<string>())
            {
                var isThere = days.TryGetValue(endpoint, out var kept);
                Delete(tenant, endpoint, isThere ? UsageRecorder.DayOf(today.AddDays(-kept)) : null);
                lock (_files)
                    if (!isThere && FilesOf(tenant, endpoint).Count == 0) Directory.Delete(FolderOf(tenant, endpoint));
            }
        }
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(WriteRepeatedlyAsync(stoppingToken), SweepRepeatedlyAsync(stoppingToken));

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        // The last requests have ended now.
        Flush();
        return Task.CompletedTask;
    }

    private async Task WriteRepeatedlyAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await _items.Reader.WaitToReadAsync(stoppingToken)) Flush();
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private async Task SweepRepeatedlyAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(SweepPeriod, _clock);
        try
        {
            do
            {
                try
                {
                    await SweepAsync(stoppingToken);
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or System.Data.Common.DbException)
                {
                    Log.SweepFailed(_logger, exception);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The server stops.
        }
    }

    private void Write_NeedsLock(string tenantId, string endpointId, string day, List<Item> lines)
    {
        var bytes = lines.Sum(line => (long)line.Line.Length);
        Interlocked.Add(ref _bytesWaiting, -bytes);
        foreach (var line in lines) line.Own.Give(line.Line.Length);

        // Who adds at this moment has a part of its own for a while, which the bound of all limits.
        if (_waiting.TryGetValue(tenantId, out var own) && own.IsEmpty) _waiting.TryRemove(new KeyValuePair<string, Waiting>(tenantId, own));
        if (_forgotten.ContainsKey(tenantId)) return;
        var isReserved = false;
        long before = 0;
        var file = FileOf(tenantId, endpointId, day);
        try
        {
            // It may count the tenant's files first, which can fail like any other work with them.
            _disk.Reserve(tenantId, bytes);
            isReserved = true;
            Directory.CreateDirectory(FolderOf(tenantId, endpointId));
            using var stream = new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.Read | FileShare.Delete);
            before = stream.Position;
            foreach (var line in lines) stream.Write(line.Line);
            stream.Flush();
            _written.Add(lines.Count);
        }
        catch (LimitReachedException)
        {
            CountDropped(lines.Count, DiskFull);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // What was written is counted as it is; the rest is lost, and predictions go on.
            if (isReserved) _disk.Release(tenantId, bytes - (File.Exists(file) ? Math.Clamp(new FileInfo(file).Length - before, 0, bytes) : 0));
            CountDropped(lines.Count, DiskFailed);
            Log.WriteFailed(_logger, exception);
        }
    }

    private void CountDropped(int lines, string reason) => _dropped.Add(lines, new KeyValuePair<string, object?>("reason", reason));

    private string FolderOf(string tenantId, string endpointId) => Path.Combine(_root, tenantId, endpointId);

    private string FileOf(string tenantId, string endpointId, string day) => Path.Combine(FolderOf(tenantId, endpointId), string.Create(CultureInfo.InvariantCulture, $"{day}.jsonl"));

    private readonly record struct Item(string TenantId, string EndpointId, string Day, byte[] Line, Waiting Own);

    /// <summary>A tenant's lines that wait.</summary>
    private sealed class Waiting
    {
        private int _lines;
        private long _bytes;

        public bool HasRoom => Volatile.Read(ref _lines) < LinesWaitingMax / TenantsToFill && Interlocked.Read(ref _bytes) < BytesWaitingMax / TenantsToFill;

        public bool IsEmpty => Volatile.Read(ref _lines) == 0;

        public bool TryTake(int bytes)
        {
            var hasRoom = Interlocked.Increment(ref _lines) <= LinesWaitingMax / TenantsToFill;
            hasRoom &= Interlocked.Add(ref _bytes, bytes) <= BytesWaitingMax / TenantsToFill;
            if (!hasRoom) Give(bytes);
            return hasRoom;
        }

        public void Give(int bytes)
        {
            Interlocked.Add(ref _bytes, -bytes);
            Interlocked.Decrement(ref _lines);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "Lines of a log of predictions could not be written; they are lost.")]
        public static partial void WriteFailed(ILogger logger, Exception exception);

        [LoggerMessage(LogLevel.Warning, "Old logs of predictions could not be deleted; it is tried again in an hour.")]
        public static partial void SweepFailed(ILogger logger, Exception exception);
    }
}
