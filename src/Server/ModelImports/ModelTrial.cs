using System.Diagnostics;
using Atoll.Contracts;
using Atoll.Serving;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.ModelImports;

/// <summary>Loads a model as it will be served, runs it on made-up inputs and measures what that costs.</summary>
internal sealed record ModelTrial(IReadOnlyList<OnnxValueInfo> Inputs, IReadOnlyList<OnnxValueInfo> Outputs, CostReport Cost)
{
    private const int ManyRows = 32;
    private const int RunsMin = 5;
    private const int RunsMax = 1000;
    private static readonly TimeSpan TimeForRuns = TimeSpan.FromMilliseconds(200);

    /// <param name="served">The model from which the pack was made; it tells what inputs are worth trying.</param>
    public static ModelTrial Run(ServingPack pack, byte[] served, List<string> notes)
    {
        var before = NativeHeap.AllocatedBytes();
        var started = Stopwatch.GetTimestamp();
        using var graph = pack.GraphDigest is null ? null : SharedGraph.Load(pack.Graph);
        using var session = graph?.Bind(pack) ?? OnnxSession.Load(pack.Graph.Span, new OnnxSessionOptions { Optimized = true });
        var loadMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        var memory = graph is not null ? pack.BytesWhenLoaded : NativeHeap.AllocatedBytes() - before;

        CheckKinds(session);
        var one = Measure(session, served, 1, out var failure);
        if (one is null) notes.Add($"It could not be run on made-up inputs, so its speed is not known: {failure}");
        var many = one is not null && session.Inputs.All(HasRows) ? Measure(session, served, ManyRows, out _) : null;
        return new ModelTrial(session.Inputs, session.Outputs, new CostReport
        {
            LoadMs = Round(loadMs), MemoryBytes = memory, MsPerRowAt1 = Round(one), MsPerRowAt32 = Round(many / ManyRows),
        });
    }

    private static void CheckKinds(OnnxSession session)
    {
        foreach (var value in session.Inputs.Concat(session.Outputs))
        {
            if (value.Kind != OnnxValueKind.Tensor)
                throw new ModelRefusedException($"'{value.Name}' of the model is a {value.Kind}; only tensors can be sent and answered. Export it with tensors.");
            if (!ImportedSignature.IsKnown(value.Type))
                throw new ModelRefusedException($"'{value.Name}' of the model has elements of type {value.Type}, which the Open Inference Protocol cannot carry.");
        }
    }

    private static bool HasRows(OnnxValueInfo input) => input.HasShape && input.Shape is [-1, ..];

    /// <summary>The median of several runs in milliseconds, or null and why it does not run.</summary>
    private static double? Measure(OnnxSession session, byte[] served, int rows, out string? failure)
    {
        failure = null;
        var inputs = Parity.MakeInputs(session, served, rows);
        try
        {
            var times = new List<double>();
            var first = Stopwatch.GetTimestamp();
            while (times.Count < RunsMin || (times.Count < RunsMax && Stopwatch.GetElapsedTime(first) < TimeForRuns))
            {
                var started = Stopwatch.GetTimestamp();
                foreach (var output in session.Run(inputs)) output.Dispose();
                times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            }
            times.Sort();
            return times[times.Count / 2];
        }
        catch (OnnxException refused) when (!refused.Message.Contains("bad_alloc", StringComparison.Ordinal))
        {
            failure = refused.Message;
            return null;
        }
        finally
        {
            foreach (var input in inputs) input.Dispose();
        }
    }

    private static double Round(double milliseconds) => Math.Round(milliseconds, 5);

    private static double? Round(double? milliseconds) => milliseconds is { } known ? Round(known) : null;
}
