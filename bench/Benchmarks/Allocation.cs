using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Atoll.Cli.Load;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Benchmarks;

/// <summary>Managed bytes that a request costs when everything is warm: in Serving, in Kestrel, and in the door between them.</summary>
internal static class Allocation
{
    private const double DoorBar = 300;

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var requests = arguments.Number("--requests", 20_000);
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            var model = SmallModels.Served()[0];
            var serving = await InServingAsync(model);
            Console.WriteLine($"{Machine.Describe()}. {model.Title}. Managed bytes for a request: server and Kestrel over {requests:N0} requests each, Serving over 1,000.");
            Console.WriteLine();
            Console.WriteLine("| protocol | rows | server | Kestrel alone | the door: difference | bar | in Serving | bar |");
            Console.WriteLine("|---|---|---|---|---|---|---|---|");
            var keys = await BenchServer.FillAsync(folder, 1, [model]);
            // Both in this process, where bytes can be counted; who asks is another.
            await using var server = await AtollServer.StartAsync([$"--Atoll:Data={folder}", "--Atoll:Urls=http://127.0.0.1:0", "--Logging:LogLevel:Default=Warning"]);
            await using var echo = await EchoServer.StartAsync();
            var met = serving == 0;
            foreach (var protocol in (LoadProtocol[])[LoadProtocol.Rest, LoadProtocol.Binary, LoadProtocol.Grpc])
            foreach (var rows in (int[])[1, 32])
            {
                if (!arguments.Asks(protocol, rows)) continue;
                var plan = new LoadPlan
                {
                    Server = new Uri(server.Address), Protocol = protocol, IsHttp2 = protocol == LoadProtocol.Grpc, Models = [model.Name], Credentials = [.. keys], Body = model.Body(protocol, rows),
                    Duration = TimeSpan.Zero,
                };
                await EchoServer.TellAsync(new Uri(echo.Urls.First()), plan);
                var data = Path.Combine(folder, "request.json");
                await File.WriteAllTextAsync(data, model.Request(rows).ToJsonString());
                var ofServer = await MeasureAsync(server.Address, protocol, data, model.Name, keys[0], requests);
                var ofEcho = await MeasureAsync(echo.Urls.First(), protocol, data, model.Name, keys[0], requests);
                met &= ofServer - ofEcho <= DoorBar;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {protocol.ToString().ToLowerInvariant()} | {rows} | {ofServer:N0} | {ofEcho:N0} | {ofServer - ofEcho:N0} | {DoorBar} | {serving} | 0 |"));
            }
            return met || arguments.IsSmoke;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<double> MeasureAsync(string address, LoadProtocol protocol, string data, string model, string key, int requests)
    {
        await LoadAsync(requests / 2);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await LoadAsync(requests);
        return (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)requests;

        async Task LoadAsync(int count)
        {
            var program = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "atoll.exe" : "atoll");
            string[] words =
            [
                "bench", "load", model, "--server", address, "--key", key, "--protocol", protocol.ToString().ToLowerInvariant(), "--data", data,
                "--connections", "4", "--in-flight", protocol == LoadProtocol.Grpc ? "16" : "4", "--warmup", "0", "--duration", "3600", "--requests", count.ToString(CultureInfo.InvariantCulture), "--output", "json",
            ];
            using var child = Process.Start(new ProcessStartInfo(program, words) { RedirectStandardOutput = true }) ?? throw new InvalidOperationException($"{program} does not start.");
            // Its few lines come when it is done; reading them is not what is measured.
            var text = await child.StandardOutput.ReadToEndAsync();
            await child.WaitForExitAsync();
            var report = child.ExitCode == 0 ? JsonSerializer.Deserialize(text, LoadJson.Default.LoadReport) : null;
            if (report?.Done != count) throw new InvalidOperationException($"{report?.Done} of {count} requests were answered: {text}");
        }
    }

    /// <summary>A place in the fair queue, the model from the cache, and its run over tensors that are there.</summary>
    private static async Task<long> InServingAsync(ServedModel model)
    {
        await using var cache = new ModelCache(new ModelCacheOptions { CacheBytesMax = 1 << 30 }, TimeProvider.System);
        var key = new ModelKey("tenant", "model");
        var bytes = ServingForm.Make(model.Onnx, CancellationToken.None).ToBytes();
        (await cache.GetAsync(key, (_, _) => Task.FromResult(new ModelContent(ServingPack.Read(bytes), model.Signature)), CancellationToken.None)).Dispose();
        var queue = new FairQueue(2, 100, TimeProvider.System);
        var limits = new QueueLimits(WaitingMax: 10);
        using var x = OnnxTensor.Allocate<float>(1, SmallModels.Features);
        using var y = OnnxTensor.Allocate<float>(1, 1);
        x.Span<float>().Clear();
        var (inputs, outputs) = (new[] { x }, new[] { y });
        for (var i = 0; i < 100; i++) Pass();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) Pass();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / 1_000;

        void Pass()
        {
            var turn = queue.EnterAsync("tenant", limits, Timeout.InfiniteTimeSpan, isLong: false, CancellationToken.None).GetAwaiter().GetResult();
            if (!cache.TryGet(key, out var lease)) throw new InvalidOperationException("The model left the memory.");
            lease.Session.Run(inputs, outputs);
            lease.Dispose();
            queue.Leave(turn);
        }
    }
}
