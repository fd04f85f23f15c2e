using System.Diagnostics;
using System.Globalization;
using Atoll.Cli.Load;
using Atoll.Serving.Onnx;

namespace Atoll.Benchmarks;

/// <summary>The time of processors that the server takes for a request, beside the least that a server could: Kestrel alone with the same bytes, and the bare run of the model.</summary>
internal static class Overhead
{
    private const double Bar = 1.5;

    private static readonly TimeSpan UntilHot = TimeSpan.FromSeconds(13);

    public static async Task<bool> RunAsync(BenchmarkArguments arguments)
    {
        var seconds = arguments.Decimal("--seconds", 1.5);
        var rounds = arguments.Number("--rounds", 5);
        var folder = Directory.CreateTempSubdirectory("atoll-bench-").FullName;
        try
        {
            var models = SmallModels.Served();
            var keys = await BenchServer.FillAsync(folder, 1, models);
            await using var server = await BenchServer.StartAsync(folder);
            await using var echo = await EchoServer.StartChildAsync();
            Console.WriteLine($"{Machine.Describe()}. Microseconds of a processor for a request: medians of {rounds} rounds of {seconds:0.##} s each, in turns. Bar: {Bar:0.0}.");
            Console.WriteLine();
            Console.WriteLine("| model | protocol | rows | server | Kestrel alone | bare run | server / (Kestrel + run) | requests a second |");
            Console.WriteLine("|---|---|---|---|---|---|---|---|");
            var met = true;
            foreach (var model in models.Where(model => arguments["--model"] is not { } only || only == model.Name))
            foreach (var protocol in (LoadProtocol[])[LoadProtocol.Rest, LoadProtocol.Binary, LoadProtocol.Grpc])
            foreach (var rows in (int[])[1, 32])
            {
                if (!arguments.Asks(protocol, rows)) continue;
                var isHttp2 = protocol == LoadProtocol.Grpc;
                var asked = new LoadPlan
                {
                    Server = server.Address, Protocol = protocol, IsHttp2 = isHttp2, Models = [model.Name], Credentials = [.. keys], Body = model.Body(protocol, rows),
                    Connections = isHttp2 ? 2 : 16, InFlight = isHttp2 ? 32 : 16, Duration = TimeSpan.Zero,
                };
                await EchoServer.TellAsync(echo.Address, asked);
                using var run = new BareRun(model, rows);
                var (costs, echoes, runs, rates) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());

                // The first round is for the compiler, and long enough for the server to see that the model is hot.
                for (var round = 0; round <= rounds; round++)
                {
                    var plan = arguments.Sized(asked with { Duration = TimeSpan.FromSeconds(seconds) });
                    var (cost, rate) = await MeasureAsync(server, round == 0 ? arguments.Sized(plan with { Duration = UntilHot }) : plan);
                    var (echoCost, _) = await MeasureAsync(echo, plan with { Server = echo.Address });
                    var runCost = run.Measure(TimeSpan.FromSeconds(seconds / 4));
                    if (round == 0) continue;
                    costs.Add(cost);
                    echoes.Add(echoCost);
                    runs.Add(runCost);
                    rates.Add(rate);
                }
                var quotient = Median(costs) / (Median(echoes) + Median(runs));
                met &= quotient <= Bar;
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"| {model.Title} | {protocol.ToString().ToLowerInvariant()} | {rows} | {Median(costs):F1} | {Median(echoes):F1} | {Median(runs):F1} | {quotient:F2} | {Median(rates):N0} |"));
            }
            return met || arguments.IsSmoke;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(double Microseconds, double Rate)> MeasureAsync(BenchServer server, LoadPlan plan)
    {
        var before = server.Cpu;
        var report = await LoadGenerator.RunAsync(plan, TimeProvider.System, CancellationToken.None);
        var cpu = server.Cpu - before;
        if (report.Errors.Count > 0 || report.Done == 0 || report.Done != report.Sent) throw new InvalidOperationException($"{plan.Protocol} of {plan.Models[0]}: {report.Done} done, {string.Join(", ", report.Errors)}; {report.FirstFailure}");
        return (cpu.TotalMicroseconds / report.Begun, report.DonePerSecond);
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>The model in a session of its own, run by one thread over tensors that are there.</summary>
    /// <remarks>Over many of them in turns: what is asked for the same values again and again is learnt by heart by the processor, which halves the time of branching trees and of nothing that is served.</remarks>
    private sealed class BareRun : IDisposable
    {
        private const int Inputs = 64;

        private readonly OnnxSession _session;
        private readonly OnnxTensor[] _inputs = new OnnxTensor[Inputs];

        public BareRun(ServedModel model, int rows)
        {
            _session = OnnxSession.Load(OnnxOptimizer.Optimize(model.Onnx), new OnnxSessionOptions { Optimized = true });
            var random = new Random(1);
            for (var i = 0; i < Inputs; i++)
            {
                _inputs[i] = OnnxTensor.Allocate<float>([rows, .. _session.Inputs[0].Shape[1..]]);
                foreach (ref var value in _inputs[i].Span<float>()) value = random.NextSingle();
            }
        }

        /// <summary>Microseconds of a run; one thread that never waits, so its time is the processor's.</summary>
        public double Measure(TimeSpan time)
        {
            var cpu = Environment.CpuUsage.TotalTime;
            var start = Stopwatch.GetTimestamp();
            var runs = 0;
            while (Stopwatch.GetElapsedTime(start) < time)
            {
                foreach (var x in _inputs)
                    foreach (var output in _session.Run(x)) output.Dispose();
                runs += Inputs;
            }
            return (Environment.CpuUsage.TotalTime - cpu).TotalMicroseconds / runs;
        }

        public void Dispose()
        {
            foreach (var x in _inputs) x.Dispose();
            _session.Dispose();
        }
    }
}
