using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Atoll.Cli.Load;

namespace Atoll.Benchmarks;

/// <summary>What quiet tenants feel of one that asks for ten times as much as the node can do.</summary>
internal static class Neighbour
{
    private const int QuietTenants = 8;
    private const double Bar = 2;
    private const double AttackFactor = 10;

    // What the quiet ones ask for, as a share of what the node could do for them.
    private const double QuietShare = 0.1;

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var time = TimeSpan.FromSeconds(arguments.Decimal("--seconds", 20));
        var cold = arguments.Number("--models", 1000);
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            // A run takes about a millisecond, so ten times the node's capacity are requests that a small machine can send beside it.
            var model = SmallModels.Network("model", arguments.IsSmoke ? 256 : 2048, seed: 3);
            List<ServedModel> swept = [.. Enumerable.Range(0, cold).Select(i => SmallModels.Network($"cold-{i}", arguments.IsSmoke ? 64 : 256, seed: 100 + i))];
            var keys = await BenchServer.FillAsync(folder, [.. Enumerable.Repeat<IReadOnlyList<ServedModel>>([model], QuietTenants), [model, .. swept]]);
            // Room for the quiet ones and for less than half of what is swept.
            var bytes = (QuietTenants + 1) * 1.2 * model.Onnx.Length + cold * 0.4 * swept[0].Onnx.Length;
            await using var server = await BenchServer.StartAsync(folder, $"--Deployments:CacheBytesMax={(long)Math.Max(2 << 20, bytes)}");

            var quiet = new LoadPlan
            {
                Server = server.Address, Protocol = LoadProtocol.Grpc, IsHttp2 = true, Models = [model.Name], Credentials = [.. keys.Take(QuietTenants)], Body = model.Body(LoadProtocol.Grpc, 1),
                Connections = 4, InFlight = 256, Duration = time, Warmup = TimeSpan.FromSeconds(2),
            };
            var hot = quiet with { Credentials = [keys[^1]], InFlight = 256, Connections = 4 };
            var sweep = hot with { Models = [.. swept.Select(one => one.Name)], Body = swept[0].Body(LoadProtocol.Grpc, 1), Sweeps = true };
            var capacity = (await Run(quiet with { InFlight = 16, Duration = time / 4 })).DonePerSecond;
            quiet = quiet with { Rate = (arguments.IsSmoke ? 1 : QuietShare) * capacity };

            Console.WriteLine($"{Machine.Describe()}. {QuietTenants} quiet tenants with {model.Title} each ask {quiet.Rate:N0} times a second together, a tenth of what the node can do; over gRPC, {time.TotalSeconds:0.#} s each.");
            Console.WriteLine($"The attacker asks for its own model of the same kind (hot), or for {cold:N0} models of {swept[0].Title} in order, which do not all fit into memory (sweep). Bar: {Bar:0.0}, and no quiet request fails.");
            Console.WriteLine();
            Console.WriteLine("| attack | capacity for it, a second | offered | sent | answered | refused | quiet alone, ms: p50 | p99 | beside the attack, ms: p50 | p99 | p99 beside / alone | quiet requests | failed |");
            Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
            var (met, sound) = (true, true);
            foreach (var (name, attack) in new[] { ("hot", hot), ("sweep", sweep) })
            {
                if (arguments["--only"] is { } only && only != name) continue;
                var possible = (await Run(attack with { InFlight = 16, Duration = time / 4 })).DonePerSecond;
                var alone = await Run(quiet);
                var attacking = AttackAsync(attack with { Rate = AttackFactor * possible, Duration = time + TimeSpan.FromSeconds(3), Warmup = TimeSpan.Zero }, arguments);
                var beside = await Run(quiet);
                var attacked = await attacking;
                var quotient = beside.Latency.P99 / alone.Latency.P99;
                var failed = alone.Errors.Values.Sum() + beside.Errors.Values.Sum() + beside.Offered - beside.Sent;
                met &= quotient <= Bar && failed == 0;
                sound &= new[] { alone, beside, attacked }.All(report => report.Done > 0 && report.Done + report.Errors.Values.Sum() == report.Sent);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {name} | {possible:N0} | {attacked.Offered:N0} | {attacked.Sent:N0} | {attacked.Done:N0} | {attacked.Errors.Values.Sum():N0} | {alone.Latency.P50:F2} | {alone.Latency.P99:F2} | {beside.Latency.P50:F2} | {beside.Latency.P99:F2} | {quotient:F2} | {beside.Offered:N0} | {failed:N0} |"));
                if (beside.FirstFailure is { } words) Console.Error.WriteLine($"A quiet tenant was told: {words}");
                if (attacked.Errors.Count > 0) Console.Error.WriteLine($"The attacker was told: {string.Join(", ", attacked.Errors.Select(error => $"{error.Value} {error.Key}"))}; {attacked.FirstFailure}");
            }
            return sound && (met || arguments.IsSmoke);

            Task<LoadReport> Run(LoadPlan plan) => LoadGenerator.RunAsync(arguments.Sized(plan), TimeProvider.System, CancellationToken.None);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The attacker is a process of its own, which gives way: elsewhere it has its own machine. The table shows that it sends what it offers all the same.</summary>
    private static async Task<LoadReport> AttackAsync(LoadPlan plan, BenchmarkArguments arguments)
    {
        if (arguments.IsSmoke) return await LoadGenerator.RunAsync(arguments.Sized(plan), TimeProvider.System, CancellationToken.None);
        var models = plan.Sweeps ? $"cold-{{0..{plan.Models.Count - 1}}}" : plan.Models[0];
        string[] command =
        [
            Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "atoll.exe" : "atoll"), "bench", "load", models, "--server", plan.Server.ToString(), "--protocol", "grpc",
            "--rate", plan.Rate!.Value.ToString("F0", CultureInfo.InvariantCulture), "--duration", plan.Duration.TotalSeconds.ToString("F0", CultureInfo.InvariantCulture), "--warmup", "0",
            "--connections", plan.Connections.ToString(CultureInfo.InvariantCulture), "--in-flight", plan.InFlight.ToString(CultureInfo.InvariantCulture), "--output", "json", .. plan.Sweeps ? ["--sweep"] : (string[])[],
        ];
        if (OperatingSystem.IsLinux()) command = ["nice", "-n", "19", .. command];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["ATOLL_KEY"] = plan.Credentials[0];
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{command[0]} does not start.");
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (await output).TrimStart() is ['{', ..] json
            ? JsonSerializer.Deserialize(json, LoadJson.Default.LoadReport)!
            : throw new InvalidOperationException($"The attacker did not run: {await output} {await error}");
    }
}
