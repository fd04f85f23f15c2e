using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Benchmarks;

/// <summary>What a run and a session of ONNX Runtime cost through the binding, and what the model cache adds.</summary>
internal static class OnnxRun
{
    public static bool Run()
    {
        Console.WriteLine($"ONNX Runtime {OnnxRuntime.Describe().Version}, one thread, the fastest of many short bursts (others may use the machine).");
        Console.WriteLine();
        var models = SmallModels.All();
        Console.WriteLine("| model | run, 1 row, us | run, 32 rows, us | the same, optimised at load | bytes allocated a run |");
        Console.WriteLine("|---|---|---|---|---|");
        var clean = true;
        foreach (var (name, model) in models)
        {
            var optimised = OnnxOptimizer.Optimize(model);
            var (one, allocated) = MeasureRun(optimised, new OnnxSessionOptions { Optimized = true }, 1);
            var (many, _) = MeasureRun(optimised, new OnnxSessionOptions { Optimized = true }, 32);
            var (oneAtLoad, _) = MeasureRun(model, OnnxSessionOptions.Default, 1);
            var (manyAtLoad, _) = MeasureRun(model, OnnxSessionOptions.Default, 32);
            clean &= allocated == 0;
            Print($"| {name} | {one:F2} | {many:F2} | {oneAtLoad:F2}, {manyAtLoad:F2} | {allocated} |");
        }

        Console.WriteLine();
        Console.WriteLine("| model | file | load, KiB | load, ms | release, ms |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach (var (name, model) in models)
        {
            PrintSession(name, "onnx, optimised at load", model, OnnxSessionOptions.Default);
            var optimised = new OnnxSessionOptions { Optimized = true };
            PrintSession(name, "onnx, optimised before", OnnxOptimizer.Optimize(model), optimised);
            PrintSession(name, "ort, optimised before", OnnxOptimizer.Optimize(model, OnnxModelFormat.Ort), optimised);
        }

        Console.WriteLine();
        MeasureCache(models[0].Model);
        return MeasureGrowth(models[1].Model) && clean;
    }

    private static (double Microseconds, long Allocated) MeasureRun(byte[] model, OnnxSessionOptions options, int rows)
    {
        using var session = OnnxSession.Load(model, options);
        using var x = OnnxTensor.Allocate<float>([rows, .. session.Inputs[0].Shape[1..]]);
        using var y = OnnxTensor.Allocate<float>([rows, .. session.Outputs[0].Shape[1..]]);
        var random = new Random(1);
        foreach (ref var value in x.Span<float>()) value = random.NextSingle();
        var inputs = new[] { x };
        var outputs = new[] { y };
        var time = Fastest(200, 200, () => session.Run(inputs, outputs));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++) session.Run(inputs, outputs);
        return (time * 1e6, (GC.GetAllocatedBytesForCurrentThread() - before) / 1_000);
    }

    private static void PrintSession(string name, string file, byte[] model, OnnxSessionOptions options)
    {
        const int bursts = 10, count = 20;
        var sessions = new OnnxSession[count];
        for (var i = 0; i < count; i++) OnnxSession.Load(model, options).Dispose();
        var (load, release, bytes) = (double.MaxValue, double.MaxValue, long.MaxValue);
        for (var burst = 0; burst < bursts; burst++)
        {
            var before = NativeHeap.AllocatedBytes() ?? 0;
            var clock = Stopwatch.StartNew();
            for (var i = 0; i < count; i++) sessions[i] = OnnxSession.Load(model, options);
            load = Math.Min(load, clock.Elapsed.TotalMilliseconds / count);
            bytes = Math.Min(bytes, ((NativeHeap.AllocatedBytes() ?? 0) - before) / count);
            clock.Restart();
            foreach (var session in sessions) session.Dispose();
            release = Math.Min(release, clock.Elapsed.TotalMilliseconds / count);
        }
        Print($"| {name} | {file}, {model.Length / 1024.0:F1} KiB | {bytes / 1024.0:F0} | {load:F2} | {release:F3} |");
    }

    private static void MeasureCache(byte[] model)
    {
        var signature = new ModelSignature { Task = "", SampleType = "", Inputs = [], Outputs = [] };
        ModelLoader loader = (_, _) => Task.FromResult(new ModelContent(ServingPack.OfModel(model), signature));
        var cache = new ModelCache(new ModelCacheOptions(), TimeProvider.System);
        var digest = new string('a', 64);
        var keys = Enumerable.Range(0, 1_000).Select(i => new ModelKey($"tenant-{i}", digest)).ToArray();
        foreach (var key in keys) cache.GetAsync(key, loader, CancellationToken.None).AsTask().GetAwaiter().GetResult().Dispose();

        var next = 0;
        var hit = Fastest(100, 2_000, () =>
        {
            next = (next + 1) % keys.Length;
            cache.TryGet(keys[next], out var lease);
            lease.Dispose();
        });
        var heap = Fastest(100, 20, () => NativeHeap.AllocatedBytes());
        Print($"Cache hit among 1,000 models, lease and release: {hit * 1e9:F0} ns. Reading the size of the native heap: {heap * 1e6:F1} us.");
        cache.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    /// <summary>A million runs, half of them with outputs that ONNX Runtime allocates, must not grow the native heap.</summary>
    private static bool MeasureGrowth(byte[] model)
    {
        const int runs = 1_000_000;
        using var session = OnnxSession.Load(model);
        using var x = OnnxTensor.Allocate<float>(1, SmallModels.Features);
        using var y = OnnxTensor.Allocate<float>(1, 1);
        x.Span<float>().Clear();
        // .NET allocates native memory too (its compiler above all), less with time; what a run leaks would come every time.
        Repeat(runs / 10);
        var least = long.MaxValue;
        for (var round = 1; round <= 3; round++)
        {
            var before = NativeHeap.AllocatedBytes() ?? 0;
            Repeat(runs);
            var growth = (NativeHeap.AllocatedBytes() ?? 0) - before;
            least = Math.Min(least, growth);
            Print($"Native heap over {runs:N0} runs, round {round}: {growth:+#;-#;0} bytes.");
        }
        return least < runs / 10;

        void Repeat(int count)
        {
            for (var i = 0; i < count / 2; i++)
            {
                session.Run([x], [y]);
                session.Run(x)[0].Dispose();
            }
        }
    }

    /// <summary>The shortest time of one call in seconds.</summary>
    internal static double Fastest(int bursts, int calls, Action action)
    {
        var best = double.MaxValue;
        // Long enough for the code to reach its final form.
        for (var i = 0; i < 20 * calls; i++) action();
        for (var burst = 0; burst < bursts; burst++)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < calls; i++) action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / calls);
        }
        return best;
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
