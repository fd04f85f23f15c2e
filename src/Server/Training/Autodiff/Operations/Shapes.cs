using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>Operations that move elements and change none.</summary>
internal static class Shapes
{
    /// <summary>Gives the elements another shape; one size may be <see cref="Tensor.Free"/> and is then worked out.</summary>
    public static Tensor Reshape(this Tensor x, params long[] shape)
    {
        var resolved = (long[])shape.Clone();
        var free = Array.IndexOf(resolved, Tensor.Free);
        if (free >= 0 && x.Count != Tensor.Free)
        {
            resolved[free] = 1;
            resolved[free] = x.Count / resolved.Aggregate(1L, (product, size) => product * size);
        }
        if (x.Shape.AsSpan().SequenceEqual(resolved)) return x;
        if (x.Count != Tensor.Free && x.Count != resolved.Aggregate(1L, (product, size) => product * size))
            throw new ArgumentException($"{x} does not fill [{string.Join(',', shape)}].");
        return x.Tape.Record("Reshape", [x, x.Tape.Int64s(resolved)], resolved, [(d, _) => d.Reshape(x.Shape), null]);
    }

    /// <summary>Output axis i is input axis <paramref name="axes"/>[i].</summary>
    public static Tensor Transpose(this Tensor x, params int[] axes)
    {
        var inverse = new int[axes.Length];
        for (var i = 0; i < axes.Length; i++) inverse[axes[i]] = i;
        return x.Tape.Record(
            "Transpose", [x], Array.ConvertAll(axes, axis => x.Shape[axis]), [(d, _) => d.Transpose(inverse)],
            OnnxGraphBuilder.Attribute("perm", axes.Select(axis => (long)axis)));
    }

    public static Tensor Concat(int axis, params Tensor[] parts)
    {
        axis = parts[0].Axis(axis);
        var shape = (long[])parts[0].Shape.Clone();
        shape[axis] = parts.Sum(part => part.Shape[axis]);
        var gradients = new Func<Tensor, Tensor, Tensor>[parts.Length];
        long start = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            var (from, to) = (start, start + parts[i].Shape[axis]);
            gradients[i] = (d, _) => d.Slice(axis, from, to);
            start = to;
        }
        return parts[0].Tape.Record("Concat", parts, shape, gradients, OnnxGraphBuilder.Attribute("axis", (long)axis));
    }

    /// <summary>The elements <paramref name="start"/> up to, not including, <paramref name="end"/> of one axis.</summary>
    public static Tensor Slice(this Tensor x, int axis, long start, long end)
    {
        axis = x.Axis(axis);
        if (start < 0 || end > x.Shape[axis] || start >= end)
            throw new ArgumentException($"{x} has no elements {start} to {end} on axis {axis}.");
        var shape = (long[])x.Shape.Clone();
        shape[axis] = end - start;
        var tape = x.Tape;
        return tape.Record(
            "Slice", [x, tape.Int64s(start), tape.Int64s(end), tape.Int64s(axis)], shape,
            [(d, _) => d.Pad(axis, start, x.Shape[axis] - end), null, null, null]);
    }

    /// <summary>Adds zeros before and after the elements of one axis.</summary>
    public static Tensor Pad(this Tensor x, int axis, long before, long after)
    {
        axis = x.Axis(axis);
        if (before == 0 && after == 0) return x;
        var shape = (long[])x.Shape.Clone();
        shape[axis] += before + after;
        var pads = new long[2 * x.Rank];
        pads[axis] = before;
        pads[axis + x.Rank] = after;
        return x.Tape.Record(
            "Pad", [x, x.Tape.Int64s(pads)], shape, [(d, _) => d.Slice(axis, before, before + x.Shape[axis]), null]);
    }
}
