using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;

namespace Atoll.Platform;

/// <summary>Work in a process of its own, <c>atoll VERB FOLDER</c>, so that neither its memory nor its crash is the server's.</summary>
internal static class ChildProcess
{
    private const int LineCharsMax = 1 << 18;

    private static readonly TimeSpan MemoryCheckInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>How a process ended.</summary>
    public sealed record Exit(int Code, string ErrorOutput, bool OverMemory);

    /// <summary>What a process may take.</summary>
    public sealed record Limits(int MemoryMegabytesMax, int Threads);

    /// <summary>Runs a verb on a folder and hands every line that it writes to <paramref name="onLine"/>.</summary>
    /// <exception cref="OperationCanceledException">The process was killed because the token asked for it.</exception>
    public static async Task<Exit> RunAsync(
        string verb, string folder, Limits limits, Func<string, CancellationToken, ValueTask> onLine, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var process = new Process { StartInfo = StartInfo(verb, folder, limits) };
        process.Start();
        process.PriorityClass = ProcessPriorityClass.BelowNormal;
        using var watch = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watcher = WatchMemoryAsync(process, limits.MemoryMegabytesMax * (1L << 20), clock, watch.Token);
        var errors = ReadTailAsync(process.StandardError, cancellationToken);
        try
        {
            await foreach (var line in LinesAsync(process.StandardOutput, cancellationToken)) await onLine(line, cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return new Exit(process.ExitCode, await errors, await StopAsync(watcher, watch));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None);
            }
            await StopAsync(watcher, watch);
        }
    }

    private static ProcessStartInfo StartInfo(string verb, string folder, Limits limits)
    {
        // The server's own executable stands beside its library, also when a test or benchmark hosts the server.
        var library = Path.Combine(AppContext.BaseDirectory, "atoll.dll");
        var host = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var executable = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "atoll.exe" : "atoll");
        var start = File.Exists(executable) ? new ProcessStartInfo(executable) : new ProcessStartInfo(host) { ArgumentList = { library } };
        start.ArgumentList.Add(verb);
        start.ArgumentList.Add(folder);
        start.WorkingDirectory = folder;
        start.RedirectStandardInput = true; // closes when the server dies, which ends the child
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;

        // It sees nothing of the server's environment but what a program needs to start.
        foreach (var name in start.Environment.Keys.Where(name => !IsKept(name)).ToList()) start.Environment.Remove(name);
        start.Environment["DOTNET_GCHeapHardLimit"] = $"0x{limits.MemoryMegabytesMax * (1L << 20):x}";

        // Whatever it does in parallel goes by the number of processors that it sees.
        start.Environment["DOTNET_PROCESSOR_COUNT"] = $"{limits.Threads:x}";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["HOME"] = folder;
        start.Environment["TMPDIR"] = folder;
        return start;
    }

    private static bool IsKept(string name) =>
        name is "PATH" or "SystemRoot" or "TEMP" or "TMP" or "LANG" or "TZ" or "LD_LIBRARY_PATH" or "ATOLL_NATIVE"
        || name.StartsWith("DOTNET_", StringComparison.Ordinal);

    /// <summary>Kills a process that takes more than it may; true when it did.</summary>
    private static async Task<bool> WatchMemoryAsync(Process process, long bytesMax, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(MemoryCheckInterval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken) && !process.HasExited)
            {
                process.Refresh();
                if (process.WorkingSet64 <= bytesMax) continue;
                process.Kill(entireProcessTree: true);
                return true;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The process has ended, or is about to be killed.
        }
        catch (InvalidOperationException)
        {
            // It ended between the two looks.
        }
        return false;
    }

    private static async Task<bool> StopAsync(Task<bool> watcher, CancellationTokenSource watch)
    {
        await watch.CancelAsync();
        return await watcher;
    }

    // The last lines say why a process died; the first ones may be many.
    private static async Task<string> ReadTailAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        const int LinesMax = 40;
        var lines = new Queue<string>();
        await foreach (var line in LinesAsync(reader, cancellationToken))
        {
            lines.Enqueue(line);
            if (lines.Count > LinesMax) lines.Dequeue();
        }
        return string.Join('\n', lines);
    }

    /// <summary>Lines as they come; what is longer than a line may be is cut, as the process may be anybody's.</summary>
    private static async IAsyncEnumerable<string> LinesAsync(StreamReader reader, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var line = new StringBuilder();
        var block = new char[4096];
        for (int read; (read = await reader.ReadAsync(block, cancellationToken)) > 0;)
        {
            for (var from = 0; from < read;)
            {
                var end = Array.IndexOf(block, '\n', from, read - from);
                var part = (end < 0 ? read : end) - from;
                line.Append(block, from, Math.Min(part, LineCharsMax - line.Length));
                from += part;
                if (end < 0) continue;
                from++;
                yield return Take();
            }
        }
        if (line.Length > 0) yield return Take();

        string Take()
        {
            var text = line.ToString().TrimEnd('\r');
            line.Clear();
            return text;
        }
    }
}
