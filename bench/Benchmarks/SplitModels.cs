using System.Globalization;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Benchmarks;

/// <summary>What it costs to run a model whose weights are inputs of a shared session, against a session of its own.</summary>
internal static class SplitModels
{
    private const double TreesBar = 1.5;
    private const int DifferentInputs = 512;

    public static bool Run(BenchmarkArguments arguments)
    {
        Console.WriteLine("| model | own, 1 row, us | shared | own, 32 rows, us | shared | largest difference | own, KiB a model | shared | weights alone | hot, 1 row, us | 32 rows | KiB more |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|");
        var met = true;
        foreach (var (name, model) in SmallModels.All().Where(model => model.Name.Contains(arguments["--only"] ?? "", StringComparison.Ordinal)))
        {
            var optimised = OnnxOptimizer.Optimize(model);
            using var own = OnnxSession.Load(optimised, new OnnxSessionOptions { Optimized = true });
            var split = ModelSplitter.Split(optimised);
            using var graph = OnnxSession.Load(split.Graph, new OnnxSessionOptions { Optimized = true, AtollOperators = true });
            using var shared = graph.Bind([.. own.Inputs], [.. own.Outputs], split.Weights);
            var (ownOne, sharedOne, differenceOne) = Compare(own, shared, 1);
            var (ownMany, sharedMany, differenceMany) = Compare(own, shared, 32);
            var ownBytes = BytesOf(() => OnnxSession.Load(optimised, new OnnxSessionOptions { Optimized = true }));
            var sharedBytes = BytesOf(() => graph.Bind([.. own.Inputs], [.. own.Outputs], split.Weights));
            var pack = new ServingPack
            {
                GraphDigest = split.GraphDigest, Graph = split.Graph, Weights = split.Weights, Inputs = [.. own.Inputs], Outputs = [.. own.Outputs],
            };
            var whole = WholeModel.ToBytes(pack);
            using var hot = WholeModel.Load(whole, pack);
            var (hotOne, besideOne, _) = Compare(hot, shared, 1);
            var (hotMany, besideMany, _) = Compare(hot, shared, 32);
            var hotBytes = BytesOf(() => WholeModel.Load(whole, pack));
            var weights = split.Weights.Sum(weight => (long)weight.Bytes.Length);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {name} | {ownOne:F2} | {sharedOne:F2} ({sharedOne / ownOne:F2}) | {ownMany:F2} | {sharedMany:F2} ({sharedMany / ownMany:F2}) | {Math.Max(differenceOne, differenceMany):G2} | {ownBytes / 1024.0:F1} | {sharedBytes / 1024.0:F1} | {weights / 1024.0:F1} | {hotOne:F2} ({hotOne / besideOne:F2}) | {hotMany:F2} ({hotMany / besideMany:F2}) | {hotBytes / 1024.0:F1} |"));
            if (name.Contains("trees", StringComparison.Ordinal)) met &= sharedOne <= TreesBar * ownOne && sharedMany <= TreesBar * ownMany;
        }
        return met;
    }

    private static (double Own, double Shared, double Difference) Compare(OnnxSession own, OnnxSession shared, int rows)
    {
        // Other rows in every run: a processor learns by heart which way few rows go in a tree.
        var random = new Random(1);
        var inputs = new OnnxTensor[DifferentInputs][];
        for (var i = 0; i < inputs.Length; i++)
        {
            inputs[i] = [OnnxTensor.Allocate<float>([rows, .. own.Inputs[0].Shape[1..]])];
            foreach (ref var value in inputs[i][0].Span<float>()) value = random.NextSingle();
        }
        using var y = OnnxTensor.Allocate<float>([rows, .. own.Outputs[0].Shape[1..]]);
        using var z = OnnxTensor.Allocate<float>(y.Shape);
        OnnxTensor[] ofOwn = [y], ofShared = [z];
        var (first, second) = (double.MaxValue, double.MaxValue);
        int next = 0, other = 0;
        // In turns, since the machine's speed changes with time.
        for (var round = 0; round < 5; round++)
        {
            first = Math.Min(first, OnnxRun.Fastest(100, 100, () => own.Run(inputs[next++ % DifferentInputs], ofOwn)));
            second = Math.Min(second, OnnxRun.Fastest(100, 100, () => shared.Run(inputs[other++ % DifferentInputs], ofShared)));
        }
        double difference = 0;
        foreach (var input in inputs)
        {
            own.Run(input, ofOwn);
            shared.Run(input, ofShared);
            for (var i = 0; i < y.Count; i++) difference = Math.Max(difference, Math.Abs(y.Span<float>()[i] - z.Span<float>()[i]));
            input[0].Dispose();
        }
        return (first * 1e6, second * 1e6, difference);
    }

    private static long BytesOf(Func<OnnxSession> load)
    {
        const int count = 100;
        var sessions = new OnnxSession[count];
        var least = long.MaxValue;
        for (var round = 0; round < 3; round++)
        {
            var before = NativeHeap.AllocatedBytes() ?? 0;
            for (var i = 0; i < count; i++) sessions[i] = load();
            least = Math.Min(least, ((NativeHeap.AllocatedBytes() ?? 0) - before) / count);
            foreach (var session in sessions) session.Dispose();
        }
        return least;
    }
}
