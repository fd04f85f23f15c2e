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
        return ServingPack.OfModel(own, reason);
    }
}
