using System.Runtime.InteropServices;
using Atoll.Serving.Onnx;

namespace Atoll.Serving.Operators;

/// <summary>The kernel of <c>ai.atoll.TreeEnsemble</c>.</summary>
internal static unsafe class TreeEnsembleOperator
{
    [UnmanagedCallersOnly]
    public static nint Compute(void* kernel, nint native)
    {
        try
        {
            var context = new KernelContext(native);
            Span<long> shape = stackalloc long[2];
            var x = (float*)context.Input(0, shape, out var rank);
            if (rank != 2) throw new OnnxException(OnnxErrorCode.InvalidArgument, "Trees take rows of features: a tensor of two dimensions.");
            var (rows, features) = (checked((int)shape[0]), checked((int)shape[1]));
            var trees = new TreeTable((byte*)context.Input(1, shape, out _));
            if (features < trees.Features)
                throw new OnnxException(OnnxErrorCode.InvalidArgument, $"The trees look at {trees.Features} features; a row has {features}.");
            if ((long)rows * trees.Outputs > int.MaxValue)
                throw new OnnxException(OnnxErrorCode.InvalidArgument, $"{rows} rows with {trees.Outputs} numbers each are too many at once.");
            var y = (float*)context.Output([rows, trees.Outputs]);
            trees.Evaluate(x, rows, features, y);
            return 0;
        }
        catch (Exception failure)
        {
            return KernelContext.ToStatus(failure);
        }
    }
}
