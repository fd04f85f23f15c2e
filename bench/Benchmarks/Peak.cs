using System.Globalization;
using Atoll.Cli.Load;

namespace Atoll.Benchmarks;

/// <summary>Predictions a second of one node that shares its processors with the load, everything on: keys, tenants, fairness.</summary>
internal static class Peak
{
    private const int Tenants = 8;
    private static readonly (LoadProtocol Protocol, int Rows, int? Bar)[] Cases =
    [
        (LoadProtocol.Grpc, 1, 60_000), (LoadProtocol.Rest, 1, 25_000), (LoadProtocol.Binary, 1, null), (LoadProtocol.Grpc, 32, null), (LoadProtocol.Rest, 32, null),
    ];

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var seconds = arguments.Decimal("--seconds", 10);
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            var model = SmallModels.Served().First(model => model.Name == (arguments["--model"] ?? "logistic"));
            var keys = await BenchServer.FillAsync(folder, Tenants, [model]);
            await using var server = await BenchServer.StartAsync(folder);
            Console.WriteLine($"{Machine.Describe()}. {model.Title}; {Tenants} tenants with a key and a model each, drawn alike. A request of one row is one prediction.");
            Console.WriteLine();
            Console.WriteLine("| protocol | rows a request | connections | on their way | requests a second | rows a second | bar | p50, ms | p99, ms | failed | server, us of a processor | load, us of a processor |");
            Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|");
            var (met, sound) = (true, true);
            foreach (var (protocol, rows, bar) in Cases)
            {
                if (!arguments.Asks(protocol, rows)) continue;
                var isHttp2 = protocol == LoadProtocol.Grpc;
                var plan = new LoadPlan
                {
                    Server = server.Address, Protocol = protocol, IsHttp2 = isHttp2, Models = [model.Name], Credentials = [.. keys], Body = model.Body(protocol, rows),
                    Connections = isHttp2 ? 4 : 32, InFlight = arguments.Number("--in-flight", isHttp2 ? 128 : 32), Duration = TimeSpan.FromSeconds(seconds),

                    // The compiler has what is left of two busy processors.
                    Warmup = TimeSpan.FromSeconds(Math.Max(seconds, 10)),
                };
                var before = server.Cpu;
                var report = await LoadGenerator.RunAsync(arguments.Sized(plan), TimeProvider.System, CancellationToken.None);
                var failed = report.Errors.Values.Sum();
                // The time of the warm-up is in it, with its requests.
                var cpu = (server.Cpu - before).TotalMicroseconds / Math.Max(1, report.Begun);
                met &= !(report.DonePerSecond < bar);
                sound &= failed == 0 && report.Done > 0 && report.Done == report.Sent;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {report.Protocol} | {rows} | {plan.Connections} | {plan.InFlight} | {report.DonePerSecond:N0} | {report.RowsPerSecond:N0} | {bar:N0} | {report.Latency.P50:F2} | {report.Latency.P99:F2} | {failed} | {cpu:F1} | {report.OwnCpuMicroseconds:F1} |"));
                if (report.FirstFailure is { } words) Console.Error.WriteLine(words);
            }
            return sound && (met || arguments.IsSmoke);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
