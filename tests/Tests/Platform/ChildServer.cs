using System.Diagnostics;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Atoll.Tests.Platform;

/// <summary><c>atoll serve</c> as a real process, which can be killed.</summary>
internal sealed partial class ChildServer : IAsyncDisposable
{
    public const int Interrupt = 2;
    public const int Terminate = 15;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly List<string> _output = [];

    private ChildServer(Process process) => _process = process;

    public string Address { get; private set; } = "";

    /// <summary>The platform administrator's key, if this start made it.</summary>
    public string? FirstKey { get; private set; }

    /// <summary>A start that nobody waits for; its output is the caller's to read.</summary>
    public static Process Begin(string data, params string[] settings)
    {
        var program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "atoll.exe" : "atoll");
        string[] command = [program, "serve", "--data", data, .. settings];
        // Who started the tests may ignore Ctrl-C, as a shell does for what it runs in the background, and a child inherits that.
        if (OperatingSystem.IsLinux()) command = ["env", "--default-signal=INT", .. command];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        return Process.Start(start) ?? throw new InvalidOperationException($"{program} does not start.");
    }

    public static async Task<ChildServer> StartAsync(string data, params string[] settings)
    {
        var server = new ChildServer(Begin(data, ["--port", "0", .. settings]));
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server._process.OutputDataReceived += (_, line) => server.Read(line.Data, ready);
        server._process.ErrorDataReceived += (_, line) => server.Read(line.Data, ready);
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        try
        {
            await ready.Task.WaitAsync(Patience);
        }
        catch (Exception exception)
        {
            await server.DisposeAsync();
            throw new InvalidOperationException($"The server did not get ready: {exception.Message}\n{server.Output}", exception);
        }
        return server;
    }

    public string Output
    {
        get
        {
            lock (_output) return string.Join('\n', _output);
        }
    }

    public HttpClient ClientFor(string key)
    {
        var client = new HttpClient { BaseAddress = new Uri(Address), Timeout = Patience };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    /// <summary>Ends the process as a power failure would: nothing of it runs any more.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync().WaitAsync(Patience);
    }

    /// <summary>What Ctrl-C sends.</summary>
    public void SendInterrupt() => SendInterrupt(_process.Id);

    /// <inheritdoc cref="SendInterrupt()"/>
    public static void SendInterrupt(int process) => Send(process, Interrupt);

    public static void Send(int process, int signal)
    {
        if (Signal(process, signal) != 0) throw new InvalidOperationException($"The signal was not sent: error {Marshal.GetLastPInvokeError()}.");
    }

    public async Task<int> WaitForExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await KillAsync();
        _process.Dispose();
    }

    // The key is printed after the address, so the last line of the greeting says that all of it was read.
    private void Read(string? line, TaskCompletionSource ready)
    {
        if (line is null)
        {
            ready.TrySetException(new InvalidOperationException("It ended."));
            return;
        }
        lock (_output) _output.Add(line);
        if (ListensOn().Match(line) is { Success: true } address) Address = address.Groups[1].Value;
        if (FirstKey is null && Key().Match(line) is { Success: true } key) FirstKey = key.Value;
        if (line.Contains("Ctrl-C stops it", StringComparison.Ordinal)) ready.TrySetResult();
    }

    [GeneratedRegex(@"listens on (http://[0-9.]+:\d+)")]
    private static partial Regex ListensOn();

    [GeneratedRegex("atl_[0-9a-z]{32}")]
    private static partial Regex Key();

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Signal(int process, int signal);
}
