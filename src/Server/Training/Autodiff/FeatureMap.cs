using Atoll.Serving.Onnx;

namespace Atoll.Training.Autodiff;

/// <summary>The activations of a convolutional network, and its layers.</summary>
/// <remarks>
/// When training, activations are [N, H*W, C], because gradients are products over such rows; when serving [N, C, H, W], the
/// layout of the Conv operator. The image that a network begins with is [N, C, H, W] in both.
/// </remarks>
internal sealed record FeatureMap
{
    private readonly Tensor _values;
    private readonly bool _isPlanar;

    private FeatureMap(Tensor values, int height, int width, int channels, bool isPlanar)
    {
        _values = values;
        _isPlanar = isPlanar;
        Height = height;
        Width = width;
        Channels = channels;
    }

    public int Height { get; }

    public int Width { get; }

    public int Channels { get; }

    private Tape Tape => _values.Tape;

    /// <summary>Begins with an image [N, C, H, W].</summary>
    public static FeatureMap FromImage(Tensor image) =>
        new(image, (int)image.Shape[2], (int)image.Shape[3], (int)image.Shape[1], isPlanar: true);

    /// <summary>A convolution without bias followed by batch norm; when serving the two are one Conv.</summary>
    /// <param name="name">Of the layer, in front of the names of its parameters.</param>
    /// <param name="channels">Of the result.</param>
    /// <param name="kernel">Odd size of the square kernel.</param>
    /// <param name="stride">1 or 2.</param>
    public FeatureMap Convolution(string name, int channels, int kernel, int stride)
    {
        const float epsilon = 1e-3f;
        var geometry = new ConvolutionGeometry(Height, Width, kernel, stride);
        var (weightName, gammaName, betaName) = ($"{name}.weight", $"{name}.gamma", $"{name}.beta");
        var (meanName, varianceName) = ($"{name}.mean", $"{name}.variance");
        long inputs = geometry.Taps * Channels;
        if (!Tape.IsTraining) return Folded();

        var w = Tape.Parameter(weightName, [inputs, channels], Initializer.He(inputs));
        var gamma = Tape.Parameter(gammaName, [channels], Initializer.Ones);
        var beta = Tape.Parameter(betaName, [channels], Initializer.Zeros);
        var convolved = _isPlanar ? _values.ConvolvePlanar(w, geometry) : _values.Convolve(w, geometry);
        var normalized = convolved.Reshape(Tensor.Free, channels).BatchNorm(gamma, beta, out var mean, out var variance, epsilon);
        Tape.TrackAverage(meanName, mean, Initializer.Zeros);
        Tape.TrackAverage(varianceName, variance, Initializer.Ones);
        return With(normalized.Reshape(convolved.Shape), geometry.OutHeight, geometry.OutWidth, channels, isPlanar: false);

        FeatureMap Folded()
        {
            var (learned, gains, offsets) = (Tape.Learned(weightName), Tape.Learned(gammaName), Tape.Learned(betaName));
            var (means, variances) = (Tape.Learned(meanName), Tape.Learned(varianceName));
            var kernels = new float[learned.Length];
            var bias = new float[channels];
            for (var c = 0; c < channels; c++)
            {
                var gain = gains[c] / MathF.Sqrt(variances[c] + epsilon);
                bias[c] = offsets[c] - means[c] * gain;
                // From [tap, input channel, output channel] to [output channel, input channel, tap].
                for (var tap = 0; tap < geometry.Taps; tap++)
                for (var i = 0; i < Channels; i++)
                    kernels[(c * Channels + i) * geometry.Taps + tap] = gain * learned[(tap * Channels + i) * channels + c];
            }
            var convolved = Tape.Emit(
                "Conv",
                [_values, Tape.Constant(kernels, channels, Channels, kernel, kernel), Tape.Constant(bias, channels)],
                [_values.Shape[0], channels, geometry.OutHeight, geometry.OutWidth],
                OnnxGraphBuilder.Attribute("pads", Enumerable.Repeat((long)geometry.Padding, 4)),
                OnnxGraphBuilder.Attribute("strides", Enumerable.Repeat((long)stride, 2)));
            return With(convolved, geometry.OutHeight, geometry.OutWidth, channels, isPlanar: true);
        }
    }

    public FeatureMap Relu() => With(_values.Relu(), Height, Width, Channels, _isPlanar);

    /// <summary>The sum with a map of the same size, for shortcuts around layers.</summary>
    public FeatureMap Add(FeatureMap other) => With(_values + other._values, Height, Width, Channels, _isPlanar);

    /// <summary>The largest of each 2 x 2 pixels.</summary>
    public FeatureMap MaxPool() => Pool("MaxPool", 2, x => x.MaxPool(Height, Width));

    /// <summary>The mean of each size x size pixels.</summary>
    public FeatureMap AveragePool(int size) => Pool("AveragePool", size, x => x.AveragePool(Height, Width, size));

    /// <summary>The mean of every channel, [N, C].</summary>
    public Tensor GlobalAveragePool() => _isPlanar
        ? Tape.Emit("GlobalAveragePool", [_values], [_values.Shape[0], Channels, 1, 1]).Reshape(_values.Shape[0], Channels)
        : _values.GlobalAveragePool();

    /// <summary>The mean over the width of each row of every channel, [N, H*C].</summary>
    public Tensor MeanOfRows()
    {
        var batch = _values.Shape[0];
        if (!_isPlanar) return _values.Reshape(batch, Height, Width, Channels).Mean(2).Reshape(batch, Height * Channels);
        return _values.Mean(3).Reshape(batch, Channels, Height).Transpose(0, 2, 1).Reshape(batch, Height * Channels);
    }

    private FeatureMap Pool(string operation, int size, Func<Tensor, Tensor> whenTraining)
    {
        var (height, width) = (Height / size, Width / size);
        if (!_isPlanar) return With(whenTraining(_values), height, width, Channels, isPlanar: false);
        var pooled = Tape.Emit(
            operation, [_values], [_values.Shape[0], Channels, height, width],
            OnnxGraphBuilder.Attribute("kernel_shape", Enumerable.Repeat((long)size, 2)),
            OnnxGraphBuilder.Attribute("strides", Enumerable.Repeat((long)size, 2)));
        return With(pooled, height, width, Channels, isPlanar: true);
    }

    private static FeatureMap With(Tensor values, int height, int width, int channels, bool isPlanar) =>
        new(values, height, width, channels, isPlanar);
}
