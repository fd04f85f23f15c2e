using Atoll.Serving.Onnx;

namespace Atoll.Serving.Splitting;

/// <summary>Makes the serving form of a model: shared where that gives the same answers, with a session of its own otherwise.</summary>
internal static class ServingForm
{
    /// <exception cref="OnnxException">ONNX Runtime cannot load the model at all.</exception>
    public static ServingPack Make(ReadOnlySpan<byte> model, CancellationToken cancellationToken)
    {
        var optimised = OnnxOptimizer.Optimize(model);
        using var whole = OnnxSession.Load(optimised, new OnnxSessionOptions { Optimized = true });
        var reason = "";
        foreach (var extent in (ReadOnlySpan<ModelSplitter.Extent>)[ModelSplitter.Extent.Everything, ModelSplitter.Extent.FloatingPoint])
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                var split = ModelSplitter.Split(optimised, extent);
                var pack = new ServingPack
                {
                    GraphDigest = split.GraphDigest, Graph = split.Graph, Weights = split.Weights, Inputs = [.. whole.Inputs], Outputs = [.. whole.Outputs],
                };
                using var graph = SharedGraph.Load(pack.Graph);
                using var parts = graph.Bind(pack);
                if (Parity.Compare(whole, parts, optimised, cancellationToken) is not { } difference) return pack;
                reason = difference;
            }
            catch (ModelSplitException why)
            {
                reason = why.Message;
                break;
            }
            catch (OnnxException why)
            {
                reason = why.Message;
            }
        }
        // Trees that stay with ONNX Runtime take a quarter of the memory when they are loaded from its own form.
        var own = reason.StartsWith("Its trees", StringComparison.Ordinal) ? OnnxOptimizer.Optimize(model, OnnxModelFormat.Ort) : optimised;
        return Own(own, reason);
    }

    /// <summary>The serving form of an optimised model with a session of its own; measures what that takes.</summary>
    public static ServingPack Own(byte[] optimised, string reason)
    {
        const int sessions = 3;
        var least = long.MaxValue;
        var loaded = new OnnxSession[sessions];
        try
        {
            for (var i = 0; i < sessions; i++)
            {
                var before = NativeHeap.AllocatedBytes();
                loaded[i] = OnnxSession.Load(optimised, new OnnxSessionOptions { Optimized = true });
                // The first one pays for what all have in common.
                if (i > 0 && before is { } start && NativeHeap.AllocatedBytes() is { } end) least = Math.Min(least, end - start);
            }
        }
        finally
        {
            foreach (var session in loaded) session?.Dispose();
        }
        return ServingPack.OfModel(optimised, reason) with { SessionBytes = least is > 0 and < long.MaxValue ? least : 0 };
    }
}
