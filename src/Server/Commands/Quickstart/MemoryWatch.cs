using System.Diagnostics;
using System.Globalization;

namespace Atoll.Commands.Quickstart;

/// <summary>Watches how much memory this process and its children have together, and keeps the peak.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watching;
    private long _peak;

    public MemoryWatch(TimeProvider clock) => _watching = WatchAsync(clock, _stop.Token);

    public long PeakBytes => Interlocked.Read(ref _peak);

    /// <summary>Children are counted; on Windows and macOS only this process is.</summary>
    public static bool CountsChildren => OperatingSystem.IsLinux();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        _stop.Dispose();
    }

    private async Task WatchAsync(TimeProvider clock, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            do _peak = Math.Max(_peak, Measure());
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException)
        {
            // That is how it ends.
        }
    }

    /// <summary>Resident bytes of this process and all that descend from it. Pages that two share are counted twice.</summary>
    internal static long Measure() => OperatingSystem.IsLinux() ? MeasureTree() : MeasureSelf();

    private static long MeasureSelf()
    {
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }

    private static long MeasureTree()
    {
        var processes = new Dictionary<int, (int Parent, long Pages)>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id)) continue;
            try
            {
                var text = File.ReadAllText(Path.Combine(folder, "stat"));
                // The name stands in parentheses and may hold anything; what counts comes after it.
                var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
                processes[id] = (int.Parse(fields[1], CultureInfo.InvariantCulture), long.Parse(fields[21], CultureInfo.InvariantCulture));
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }
        return processes.Where(process => Descends(process.Key)).Sum(process => process.Value.Pages) * Environment.SystemPageSize;

        bool Descends(int id)
        {
            // Bounded: a process that ended between two reads may leave a parent that was never seen.
            for (var depth = 0; depth < 64 && id > 0; depth++)
            {
                if (id == Environment.ProcessId) return true;
                if (!processes.TryGetValue(id, out var process)) return false;
                id = process.Parent;
            }
            return false;
        }
    }
}
