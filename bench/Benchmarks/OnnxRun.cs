using System.Diagnostics;
using System.Globalization;
using Atoll.Contracts;
using Atoll.Serving;
using Atoll.Serving.Onnx;

namespace Atoll.Benchmarks;

/// <summary>What a run and a session of ONNX Runtime cost through the binding, and what the model cache adds.</summary>
internal static class OnnxRun
{
    private const int Features = 20;

    public static bool Run()
    {
        Console.WriteLine($"ONNX Runtime {OnnxRuntime.Describe().Version}, one thread, the fastest of many short bursts (others may use the machine).");
        Console.WriteLine();
        var models = new (string Name, byte[] Model)[]
        {
            ("logistic regression, 20 features", Dense([Features, 1])),
            ("network 20-64-64-1", Dense([Features, 64, 64, 1])),
            ("network 20-256-256-1", Dense([Features, 256, 256, 1])),
            ("100 trees, depth 6", Trees(100, 6)),
            ("convolutions 28x28, 8 and 16 channels", Convolutions()),
        };
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
        ModelLoader loader = (_, _) => Task.FromResult(new ModelContent(model, signature, OnnxSessionOptions.Default));
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
        using var x = OnnxTensor.Allocate<float>(1, Features);
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
    private static double Fastest(int bursts, int calls, Action action)
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

    private static byte[] Dense(int[] sizes)
    {
        var random = new Random(2);
        var graph = new OnnxGraphBuilder("dense");
        var value = graph.Input("x", TensorElementType.Float, "N", sizes[0]);
        for (var layer = 1; layer < sizes.Length; layer++)
        {
            var weights = new float[sizes[layer - 1] * sizes[layer]];
            for (var i = 0; i < weights.Length; i++) weights[i] = random.NextSingle() - 0.5f;
            var w = graph.Constant("w", weights, sizes[layer - 1], sizes[layer]);
            value = graph.Node("Gemm", [value, w, graph.Constant("b", new float[sizes[layer]])]);
            value = graph.Node(layer + 1 < sizes.Length ? "Relu" : "Sigmoid", [value]);
        }
        graph.Output("y", value, TensorElementType.Float, "N", sizes[^1]);
        return graph.ToBytes();
    }

    private static byte[] Convolutions()
    {
        var random = new Random(4);
        var graph = new OnnxGraphBuilder("convolutions");
        var value = graph.Input("x", TensorElementType.Float, "N", 1, 28, 28);
        var channels = 1;
        foreach (var next in (int[])[8, 16])
        {
            var weights = Enumerable.Range(0, next * channels * 9).Select(_ => random.NextSingle() - 0.5f).ToArray();
            value = graph.Node(
                "Conv", [value, graph.Constant("w", weights, next, channels, 3, 3), graph.Constant("b", new float[next])],
                OnnxGraphBuilder.Attribute("kernel_shape", [3L, 3L]), OnnxGraphBuilder.Attribute("pads", [1L, 1, 1, 1]));
            value = graph.Node(
                "MaxPool", [graph.Node("Relu", [value])],
                OnnxGraphBuilder.Attribute("kernel_shape", [2L, 2L]), OnnxGraphBuilder.Attribute("strides", [2L, 2L]));
            channels = next;
        }
        value = graph.Node("Flatten", [value]);
        var dense = Enumerable.Range(0, 16 * 49 * 10).Select(_ => random.NextSingle() - 0.5f).ToArray();
        value = graph.Node("Gemm", [value, graph.Constant("w", dense, 16 * 49, 10), graph.Constant("b", new float[10])]);
        graph.Output("y", graph.Node("Softmax", [value]), TensorElementType.Float, "N", 10);
        return graph.ToBytes();
    }

    private static byte[] Trees(int count, int depth)
    {
        var random = new Random(3);
        var (tree, node, feature, left, right) = (new List<long>(), new List<long>(), new List<long>(), new List<long>(), new List<long>());
        var (mode, threshold, leafTree, leafNode, leafValue) = (new List<string>(), new List<float>(), new List<long>(), new List<long>(), new List<float>());
        var inner = (1 << depth) - 1;
        for (var t = 0; t < count; t++)
        for (var n = 0; n < 2 * inner + 1; n++)
        {
            var isLeaf = n >= inner;
            tree.Add(t);
            node.Add(n);
            feature.Add(isLeaf ? 0 : random.Next(Features));
            threshold.Add(isLeaf ? 0 : random.NextSingle());
            mode.Add(isLeaf ? "LEAF" : "BRANCH_LEQ");
            left.Add(isLeaf ? 0 : 2 * n + 1);
            right.Add(isLeaf ? 0 : 2 * n + 2);
            if (!isLeaf) continue;
            leafTree.Add(t);
            leafNode.Add(n);
            leafValue.Add(random.NextSingle() - 0.5f);
        }

        var graph = new OnnxGraphBuilder("trees");
        var x = graph.Input("x", TensorElementType.Float, "N", Features);
        var sum = graph.Node(
            "ai.onnx.ml", "TreeEnsembleRegressor", [x], 1,
            OnnxGraphBuilder.Attribute("n_targets", 1L), OnnxGraphBuilder.Attribute("post_transform", "LOGISTIC"),
            OnnxGraphBuilder.Attribute("nodes_treeids", tree), OnnxGraphBuilder.Attribute("nodes_nodeids", node),
            OnnxGraphBuilder.Attribute("nodes_featureids", feature), OnnxGraphBuilder.Attribute("nodes_modes", mode),
            OnnxGraphBuilder.Attribute("nodes_values", threshold), OnnxGraphBuilder.Attribute("nodes_truenodeids", left),
            OnnxGraphBuilder.Attribute("nodes_falsenodeids", right), OnnxGraphBuilder.Attribute("target_treeids", leafTree),
            OnnxGraphBuilder.Attribute("target_nodeids", leafNode), OnnxGraphBuilder.Attribute("target_weights", leafValue),
            OnnxGraphBuilder.Attribute("target_ids", leafTree.Select(_ => 0L)))[0];
        graph.Output("y", sum, TensorElementType.Float, "N", 1);
        return graph.ToBytes();
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
