namespace Atoll.Training.Autodiff;

/// <summary>The rules of broadcasting, and its reverse.</summary>
internal static class Broadcasting
{
    /// <summary>The shape of an element-wise result of two shapes.</summary>
    public static long[] Shape(long[] a, long[] b)
    {
        var shape = new long[Math.Max(a.Length, b.Length)];
        for (var i = 1; i <= shape.Length; i++)
        {
            var x = i <= a.Length ? a[^i] : 1;
            var y = i <= b.Length ? b[^i] : 1;
            if (x != y && x != 1 && y != 1)
                throw new ArgumentException($"[{string.Join(',', a)}] and [{string.Join(',', b)}] do not go together.");
            shape[^i] = x == 1 ? y : x;
        }
        return shape;
    }

    /// <summary>Repeats a tensor along new leading axes and axes of size 1.</summary>
    public static Tensor Expand(this Tensor x, params long[] shape) =>
        x.Shape.AsSpan().SequenceEqual(shape)
            ? x
            : x.Tape.Record("Expand", [x, x.Tape.Int64s(shape)], shape, [(d, _) => d.SumTo(x.Shape), null]);

    /// <summary>Undoes broadcasting for a gradient: adds up what went to several places.</summary>
    public static Tensor SumTo(this Tensor d, long[] shape)
    {
        if (d.Shape.AsSpan().SequenceEqual(shape)) return d;

        var kept = shape.AsSpan();
        while (!kept.IsEmpty && kept[0] == 1) kept = kept[1..];
        if (!kept.IsEmpty && d.Shape.AsSpan().EndsWith(kept))
        {
            long columns = 1;
            foreach (var size in kept) columns *= size;
            return d.Reshape(d.Count / columns, columns).SumRows().Reshape(shape);
        }

        var axes = new List<int>();
        for (var i = 0; i < d.Rank; i++)
        {
            var position = i - (d.Rank - shape.Length);
            if (position < 0 || (shape[position] == 1 && d.Shape[i] != 1)) axes.Add(i);
        }
        return d.Sum([.. axes]).Reshape(shape);
    }

    /// <summary>Sums of the columns of a matrix, as [1, columns]. Not differentiable.</summary>
    public static Tensor SumRows(this Tensor matrix) =>
        matrix.Tape.Emit("MatMul", [matrix.Tape.Row(matrix.Shape[0], 1), matrix], [1, matrix.Shape[1]]);
}
