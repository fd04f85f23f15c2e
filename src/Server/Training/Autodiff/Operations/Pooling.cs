namespace Atoll.Training.Autodiff;

/// <summary>Pooling of activations [N, H*W, C]; rows and columns that do not fill a window are left out.</summary>
internal static class Pooling
{
    /// <summary>The mean of every channel, [N, C].</summary>
    public static Tensor GlobalAveragePool(this Tensor x) => x.Mean(1).Reshape(x.Shape[0], x.Shape[2]);

    /// <summary>The mean of windows of size x size pixels.</summary>
    public static Tensor AveragePool(this Tensor x, int height, int width, int size)
    {
        var windows = x.Windows(height, width, size);
        return windows.Mean(2, 4).Reshape(x.Shape[0], windows.Shape[1] * windows.Shape[3], x.Shape[2]);
    }

    /// <summary>The largest of windows of 2 x 2 pixels; where several are equal each gets the gradient.</summary>
    /// <remarks>A convolution of stride 2 costs less in training: the gradient reads the whole input again.</remarks>
    public static Tensor MaxPool(this Tensor x, int height, int width)
    {
        var windows = x.Windows(height, width, 2);
        return windows.Max(2, 4).Reshape(x.Shape[0], windows.Shape[1] * windows.Shape[3], x.Shape[2]);
    }

    private static Tensor Windows(this Tensor x, int height, int width, int size)
    {
        var (batch, channels) = (x.Shape[0], x.Shape[2]);
        var (rows, columns) = (height / size, width / size);
        if (rows == 0 || columns == 0) throw new ArgumentException($"{width} x {height} pixels hold no window of {size} x {size}.");
        return x.Reshape(batch, height, width, channels)
            .Slice(1, 0, rows * size).Slice(2, 0, columns * size)
            .Reshape(batch, rows, size, columns, size, channels);
    }
}
