using System.Globalization;
using Atoll.Cli.Load;

namespace Atoll.Benchmarks;

/// <summary>What it brings that requests which wait for one model run together.</summary>
internal static class Batches
{
    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var time = TimeSpan.FromSeconds(arguments.Decimal("--seconds", 8));
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            ServedModel[] models = arguments.IsSmoke
                ? [SmallModels.Network("network-256", 256, seed: 3)]
                : [SmallModels.Network("network-256", 256, seed: 3), SmallModels.Network("network-2048", 2048, seed: 3), SmallModels.Served().Single(model => model.Name == "convolutions")];
            var keys = await BenchServer.FillAsync(folder, 1, models);
            Console.WriteLine($"{Machine.Describe()}. One tenant, one model, a row a request over gRPC, closed loop. Requests a second and p99 in milliseconds, each alone and with batches of up to 64 rows.");
            Console.WriteLine();
            Console.WriteLine("| model | requests on their way | alone, a second | p99 | together, a second | p99 | together / alone |");
            Console.WriteLine("|---|---|---|---|---|---|---|");
            var sound = true;
            foreach (var model in models)
            {
                foreach (var inFlight in arguments.IsSmoke ? [8] : new[] { 2, 16, 64 })
                {
                    var alone = await MeasureAsync(arguments, folder, keys, model, inFlight, time, "--Prediction:BatchRowsMax=0");
                    var together = await MeasureAsync(arguments, folder, keys, model, inFlight, time);
                    sound &= new[] { alone, together }.All(report => report.Errors.Values.Sum() == 0 && report.Done > 0 && report.Done == report.Sent);
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"| {model.Title} | {inFlight} | {alone.DonePerSecond:N0} | {alone.Latency.P99:F2} | {together.DonePerSecond:N0} | {together.Latency.P99:F2} | {together.DonePerSecond / alone.DonePerSecond:F2} |"));
                }
            }
            return sound;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<LoadReport> MeasureAsync(BenchmarkArguments arguments, string folder, IReadOnlyList<string> keys, ServedModel model, int inFlight, TimeSpan time, params string[] settings)
    {
        await using var server = await BenchServer.StartAsync(folder, settings);
        return await LoadGenerator.RunAsync(
            arguments.Sized(new LoadPlan
            {
                Server = server.Address, Protocol = LoadProtocol.Grpc, IsHttp2 = true, Models = [model.Name], Credentials = [.. keys], Body = model.Body(LoadProtocol.Grpc, 1),
                Connections = 2, InFlight = inFlight, Duration = time, Warmup = time / 2,
            }), TimeProvider.System, CancellationToken.None);
    }
}
