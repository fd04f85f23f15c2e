using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Atoll.Serving.Splitting;
using Atoll.Tenancy;
using Microsoft.Extensions.DependencyInjection;

namespace Atoll.Benchmarks;

/// <summary><c>atoll serve</c> as a process of its own, whose time and memory can be read.</summary>
internal sealed partial class BenchServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly Process _process;
    private readonly List<string> _output = [];

    private BenchServer(Process process) => _process = process;

    public Uri Address { get; private set; } = null!;

    /// <summary>Time of processors that the process has taken so far.</summary>
    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    public int ProcessId => _process.Id;

    /// <summary>Fills a new data folder through the server's own code, as trainings would.</summary>
    /// <returns>The key of each tenant. All have all models.</returns>
    public static Task<IReadOnlyList<string>> FillAsync(string folder, int tenants, IReadOnlyList<ServedModel> models) => FillAsync(folder, [.. Enumerable.Repeat(models, tenants)]);

    /// <summary>The same with models of its own for each tenant.</summary>
    public static async Task<IReadOnlyList<string>> FillAsync(string folder, IReadOnlyList<IReadOnlyList<ServedModel>> tenants)
    {
        await using var server = await AtollServer.StartAsync([$"--Atoll:Data={folder}", "--Atoll:Urls=http://127.0.0.1:0", "--Logging:LogLevel:Default=Warning"]);
        var scopes = server.Services.GetRequiredService<IServiceScopeFactory>();
        var clock = server.Services.GetRequiredService<TimeProvider>();
        var packs = new Dictionary<ServedModel, ServingPack>();
        var keys = new List<string>();
        foreach (var models in tenants)
        {
            var created = await CreateTenant.RunAsync(Ids.New("ten", clock), $"tenant-{keys.Count}", "admin", Permissions.OfTenant, scopes, clock, CancellationToken.None);
            keys.Add(created.AdministratorKey.Secret);
            await using var scope = scopes.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(created.Tenant.Id);
            foreach (var model in models)
            {
                if (!packs.TryGetValue(model, out var pack)) packs[model] = pack = ServingForm.Make(model.Onnx, CancellationToken.None);
                await RegisterAsync(scope.ServiceProvider, created.Tenant.Id, model, pack);
            }
        }
        return keys;
    }

    /// <summary>Starts a server on a folder; it is ready when this returns.</summary>
    public static Task<BenchServer> StartAsync(string folder, params IEnumerable<string> settings) => StartProgramAsync(
        Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "atoll.exe" : "atoll"),
        ["serve", "--data", folder, "--port", "0", "--Logging:LogLevel:Default=Warning", .. settings]);

    /// <summary>Starts a program that prints where it listens.</summary>
    public static async Task<BenchServer> StartProgramAsync(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        var server = new BenchServer(Process.Start(start) ?? throw new InvalidOperationException($"{program} does not start."));
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server._process.OutputDataReceived += (_, line) => server.Read(line.Data, ready);
        server._process.ErrorDataReceived += (_, line) => server.Read(line.Data, ready);
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        try
        {
            await ready.Task.WaitAsync(Patience);
        }
        catch (Exception problem)
        {
            await server.DisposeAsync();
            throw new InvalidOperationException($"The server did not get ready: {problem.Message}\n{server.Output}", problem);
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

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static async Task RegisterAsync(IServiceProvider services, string tenantId, ServedModel served, ServingPack pack)
    {
        var clock = services.GetRequiredService<TimeProvider>();
        var blobs = services.GetRequiredService<BlobStore>();
        var db = services.GetRequiredService<PlatformDb>();
        var (model, _) = await RegisterModelVersion.RunAsync(
            new RegisterModelVersion.Registration(
                served.Name, await blobs.WriteAsync(tenantId, served.Onnx, CancellationToken.None), await blobs.WriteAsync(tenantId, pack.ToBytes(), CancellationToken.None), pack.GraphDigest,
                await blobs.WriteAsync(tenantId, "{}"u8.ToArray(), CancellationToken.None), "by hand", served.Signature, new Dictionary<string, double>(),
                new ModelLineage { Run = "run_bench", Dataset = "none", DatasetVersion = 1, DatasetDigest = "0", Recipe = "none", Seed = 1, CodeVersion = "0", Machine = "any" }),
            new TenantLimits(), db, clock, CancellationToken.None);
        await EnsureEndpoint.RunAsync(model, db, clock, CancellationToken.None);
        await db.SaveChangesAsync();
    }

    private void Read(string? line, TaskCompletionSource ready)
    {
        if (line is null)
        {
            ready.TrySetException(new InvalidOperationException("It ended."));
            return;
        }
        lock (_output) _output.Add(line);
        if (ListensOn().Match(line) is not { Success: true } address) return;
        Address = new Uri(address.Groups[1].Value);
        ready.TrySetResult();
    }

    [GeneratedRegex(@"listens on (http://[0-9.]+:\d+)")]
    private static partial Regex ListensOn();
}

/// <summary>What stands above every table: when and where it was made.</summary>
internal static class Machine
{
    public static string Describe()
    {
        var now = TimeProvider.System.GetUtcNow();
        var processor = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim()
            : null;
        return string.Create(CultureInfo.InvariantCulture, $"{now:d MMMM yyyy}, {Environment.ProcessorCount} cores of {processor ?? "an unknown processor"}, .NET {Environment.Version}");
    }
}
