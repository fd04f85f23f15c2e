using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;
using static Atoll.Tests.Training.Autodiff.GradientCheck;

namespace Atoll.Tests.Training.Autodiff;

/// <summary>Every differentiable operation against finite differences.</summary>
public class GradientTests
{
    private const int Seed = 20261122;

    private static readonly Dictionary<string, (Values[] Inputs, Func<Tape, Tensor[], Tensor> Operation)> Cases = new()
    {
        ["add"] = ([Values.Of(3, 4), Values.Of(3, 4)], (_, x) => x[0] + x[1]),
        ["add, row broadcast"] = ([Values.Of(3, 4), Values.Of(4)], (_, x) => x[0] + x[1]),
        ["sub, column broadcast"] = ([Values.Of(3, 4), Values.Of(3, 1)], (_, x) => x[0] - x[1]),
        ["sub, first operand broadcast"] = ([Values.Of(4), Values.Of(2, 3, 4)], (_, x) => x[0] - x[1]),
        ["mul"] = ([Values.Of(3, 4), Values.Of(3, 4)], (_, x) => x[0] * x[1]),
        ["mul, middle axis broadcast"] = ([Values.Of(2, 3, 4), Values.Of(2, 1, 4)], (_, x) => x[0] * x[1]),
        ["mul, scalar broadcast"] = ([Values.Of(2, 3), Values.Of()], (_, x) => x[0] * x[1]),
        ["mul by itself"] = ([Values.Of(5)], (_, x) => x[0] * x[0]),
        ["div"] = ([Values.Of(3, 4), Values.Between(0.5f, 1.5f, 3, 4)], (_, x) => x[0] / x[1]),
        ["div, broadcast"] = ([Values.Of(3, 4), Values.Between(0.5f, 1.5f, 1, 4)], (_, x) => x[0] / x[1]),
        ["constants"] = ([Values.Of(3)], (_, x) => (x[0] * 3 + 2 - 0.5f) * 0.25f),
        ["relu"] = ([Values.Apart(4, 5)], (_, x) => x[0].Relu()),
        ["gelu"] = ([Values.Between(-3, 3, 4, 5)], (_, x) => x[0].Gelu()),
        ["sigmoid"] = ([Values.Between(-3, 3, 4, 5)], (_, x) => x[0].Sigmoid()),
        ["tanh"] = ([Values.Between(-2, 2, 4, 5)], (_, x) => x[0].Tanh()),
        ["exp"] = ([Values.Of(4, 5)], (_, x) => x[0].Exp()),
        ["log"] = ([Values.Between(0.5f, 2, 4, 5)], (_, x) => x[0].Log()),
        ["sqrt"] = ([Values.Between(0.5f, 2, 4, 5)], (_, x) => x[0].Sqrt()),
        ["softplus"] = ([Values.Between(-3, 3, 4, 5)], (_, x) => x[0].Softplus()),
        ["negate"] = ([Values.Of(4, 5)], (_, x) => x[0].Negate()),
        ["matmul"] = ([Values.Of(3, 4), Values.Of(4, 5)], (_, x) => x[0].MatMul(x[1])),
        ["matmul, batched"] = ([Values.Of(2, 3, 4), Values.Of(2, 4, 5)], (_, x) => x[0].MatMul(x[1])),
        ["matmul, batch times matrix"] = ([Values.Of(2, 3, 4), Values.Of(4, 5)], (_, x) => x[0].MatMul(x[1])),
        ["matmul, broadcast batch"] = ([Values.Of(2, 3, 3, 4), Values.Of(3, 4, 2)], (_, x) => x[0].MatMul(x[1])),
        ["matmul, matrix times batch"] = ([Values.Of(3, 4), Values.Of(2, 4, 5)], (_, x) => x[0].MatMul(x[1])),
        ["gemm"] = ([Values.Of(3, 4), Values.Of(4, 5), Values.Of(5)], (_, x) => x[0].Gemm(x[1], x[2])),
        ["softmax"] = ([Values.Between(-2, 2, 3, 5)], (_, x) => x[0].Softmax()),
        ["softmax of three axes"] = ([Values.Between(-2, 2, 2, 3, 4)], (_, x) => x[0].Softmax()),
        ["cross-entropy"] = (
            [Values.Between(-2, 2, 4, 3)],
            (tape, x) => x[0].CrossEntropy(Int64s(tape, 2, 0, 1, 1), tape.Constant([0.5f, 0.25f, 0.25f, 0], 4))),
        ["cross-entropy, smoothed"] = (
            [Values.Between(-2, 2, 4, 3)],
            (tape, x) => x[0].CrossEntropy(Int64s(tape, 2, 0, 1, 1), tape.Constant([0.25f, 0.25f, 0.25f, 0.25f], 4), 0.1f)),
        ["cross-entropy against probabilities"] = (
            [Values.Between(-2, 2, 2, 3)],
            (tape, x) => x[0].SoftCrossEntropy(tape.Constant([0.2f, 0.3f, 0.5f, 1, 0, 0], 2, 3), tape.Constant([0.5f, 0.5f], 2))),
        ["binary cross-entropy"] = (
            [Values.Between(-2, 2, 2, 3)],
            (tape, x) => x[0].BinaryCrossEntropy(tape.Constant([0, 1, 1, 1, 0, 0], 2, 3), tape.Constant([0.75f, 0.25f], 2))),
        ["squared error"] = (
            [Values.Of(2, 3), Values.Of(2, 3)], (tape, x) => x[0].SquaredError(x[1], tape.Constant([0.75f, 0.25f], 2))),
        ["layer norm"] = (
            [Values.Of(2, 3, 5), Values.Between(0.5f, 1.5f, 5), Values.Of(5)], (_, x) => x[0].LayerNorm(x[1], x[2])),
        ["batch norm"] = (
            [Values.Of(7, 3), Values.Between(0.5f, 1.5f, 3), Values.Of(3)], (_, x) => x[0].BatchNorm(x[1], x[2], out var _, out var _)),
        ["embedding, small table"] = ([Values.Of(4, 3)], (tape, x) => x[0].Embed(Int64s(tape, 3, 0, 3, 3, 1))),
        ["embedding, large table with repeated ids"] = (
            [Values.Of(60, 2)], (tape, x) => x[0].Embed(Int64s(tape, 59, 7, 59, 59, 7, 1).Reshape(2, 3))),
        ["reshape"] = ([Values.Of(3, 4)], (_, x) => x[0].Reshape(2, Tensor.Free)),
        ["transpose"] = ([Values.Of(2, 3, 4)], (_, x) => x[0].Transpose(2, 0, 1)),
        ["concat"] = ([Values.Of(2, 3), Values.Of(2, 1), Values.Of(2, 2)], (_, x) => Shapes.Concat(1, x)),
        ["concat of one tensor twice"] = ([Values.Of(2, 3)], (_, x) => Shapes.Concat(0, x[0], x[0])),
        ["slice"] = ([Values.Of(2, 5)], (_, x) => x[0].Slice(-1, 1, 4)),
        ["pad"] = ([Values.Of(2, 3)], (_, x) => x[0].Pad(1, 2, 1)),
        ["expand"] = ([Values.Of(2, 1, 3)], (_, x) => x[0].Expand(4, 2, 5, 3)),
        ["sum"] = ([Values.Of(2, 3, 4)], (_, x) => x[0].Sum(0, 2)),
        ["sum of all"] = ([Values.Of(2, 3)], (_, x) => x[0].SumAll()),
        ["mean"] = ([Values.Of(2, 3, 4)], (_, x) => x[0].Mean(1)),
        ["max over time"] = ([Values.Apart(2, 5, 3)], (_, x) => x[0].Max(1)),
        ["global average pool"] = ([Values.Of(2, 6, 3)], (_, x) => x[0].GlobalAveragePool()),
        ["average pool"] = ([Values.Of(2, 4 * 6, 3)], (_, x) => x[0].AveragePool(4, 6, 2)),
        ["average pool, odd size"] = ([Values.Of(1, 5 * 7, 2)], (_, x) => x[0].AveragePool(5, 7, 3)),
        ["max pool"] = ([Values.Apart(2, 4 * 6, 2)], (_, x) => x[0].MaxPool(4, 6)),
        ["max pool, odd size"] = ([Values.Apart(1, 5 * 3, 2)], (_, x) => x[0].MaxPool(5, 3)),
        ["attention"] = (
            [Values.Of(2, 3, 4), Values.Of(4, 12)],
            (_, x) =>
            {
                // One head over three tokens, composed from the operations above.
                var all = x[0].MatMul(x[1]);
                var scores = all.Slice(2, 0, 4).MatMul(all.Slice(2, 4, 8).Transpose(0, 2, 1)) * 0.5f;
                return scores.Softmax().MatMul(all.Slice(2, 8, 12));
            }),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    /// <summary>Kernel, stride, height, width.</summary>
    public static TheoryData<int, int, int, int> Convolutions
    {
        get
        {
            var data = new TheoryData<int, int, int, int>();
            foreach (var kernel in (int[])[1, 3, 5, 7])
            foreach (var stride in (int[])[1, 2])
            {
                data.Add(kernel, stride, 4, 6);
                data.Add(kernel, stride, 5, 3);
            }
            data.Add(3, 3, 7, 7);
            data.Add(3, 2, 1, 1);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradient_agrees_with_finite_differences(string operation) =>
        Check(Seed, Cases[operation].Inputs, Cases[operation].Operation);

    [Theory]
    [MemberData(nameof(Convolutions))]
    public void Gradient_of_a_convolution_agrees_with_finite_differences(int kernel, int stride, int height, int width)
    {
        var geometry = new ConvolutionGeometry(height, width, kernel, stride);
        Check(
            Seed, [Values.Of(2, geometry.Pixels, 2), Values.Of(geometry.Taps * 2, 3)], (_, x) => x[0].Convolve(x[1], geometry));
    }

    [Theory]
    [MemberData(nameof(Convolutions))]
    public void Gradient_of_a_first_convolution_agrees_with_finite_differences(int kernel, int stride, int height, int width)
    {
        var geometry = new ConvolutionGeometry(height, width, kernel, stride);
        var image = Values.Of(2, 2, height, width).Draw(new Random(Seed));
        Check(
            Seed, [Values.Of(geometry.Taps * 2, 3)],
            (tape, x) => tape.Constant(image, 2, 2, height, width).ConvolvePlanar(x[0], geometry));
    }

    [Theory]
    [MemberData(nameof(Convolutions))]
    public void Both_forms_of_a_convolution_agree_with_the_operator_Conv(int kernel, int stride, int height, int width)
    {
        var geometry = new ConvolutionGeometry(height, width, kernel, stride);
        var random = new Random(Seed);
        var graph = new OnnxGraphBuilder("convolutions");
        var tape = Tape.ForTraining(graph, Seed);
        var image = tape.Input("image", TensorElementType.Float, [2, 2, height, width]);
        var weights = tape.Input("weights", TensorElementType.Float, [geometry.Taps * 2, 3]);
        long[] rows = [2, geometry.OutPixels, 3];
        var expected = tape.Emit(
            "Conv", [image, weights.Reshape(kernel, kernel, 2, 3).Transpose(3, 2, 0, 1)], [2, 3, geometry.OutHeight, geometry.OutWidth],
            OnnxGraphBuilder.Attribute("pads", Enumerable.Repeat((long)geometry.Padding, 4)),
            OnnxGraphBuilder.Attribute("strides", Enumerable.Repeat((long)stride, 2)));
        Tensor[] results =
        [
            expected.Reshape(2, 3, geometry.OutPixels).Transpose(0, 2, 1),
            image.ConvolvePlanar(weights, geometry),
            image.Reshape(2, 2, geometry.Pixels).Transpose(0, 2, 1).Convolve(weights, geometry),
        ];
        for (var i = 0; i < results.Length; i++)
        {
            Assert.Equal(rows, results[i].Shape);
            graph.Output($"y{i}", results[i].Name, TensorElementType.Float, Dimensions(results[i]));
        }

        using var session = OnnxSession.Load(graph.ToBytes());
        using var imageTensor = OnnxTensor.Create<float>(Values.Of(image.Shape).Draw(random), image.Shape);
        using var weightsTensor = OnnxTensor.Create<float>(Values.Of(weights.Shape).Draw(random), weights.Shape);
        var outputs = session.Run(imageTensor, weightsTensor);
        for (var i = 1; i < outputs.Length; i++)
            for (var j = 0; j < outputs[0].Span<float>().Length; j++)
                Assert.Equal(outputs[0].Span<float>()[j], outputs[i].Span<float>()[j], 1e-4f);
        foreach (var output in outputs) output.Dispose();
    }

    [Fact]
    public void Gradient_of_dropout_passes_where_elements_were_kept_and_nowhere_else()
    {
        var graph = new OnnxGraphBuilder("dropout");
        var tape = Tape.ForTraining(graph, Seed);
        var x = tape.Input("x", TensorElementType.Float, [1000], needsGradient: true);
        var y = x.Dropout(0.25f);
        var gradient = tape.Gradients(y.SumAll(), [x])[0];
        graph.Output("y", y.Name, TensorElementType.Float, 1000);
        graph.Output("d", gradient.Name, TensorElementType.Float, 1000);

        using var session = OnnxSession.Load(graph.ToBytes());
        var ones = new float[1000];
        Array.Fill(ones, 1);
        using var input = OnnxTensor.Create<float>(ones, 1000);
        var first = session.Run(input);
        var second = session.Run(input);

        // With x = 1 the output is the mask over the share kept, which is also the gradient.
        Assert.Equal(first[0].Span<float>(), first[1].Span<float>());
        var dropped = first[0].Span<float>().Count(0f);
        Assert.InRange(dropped, 180, 320);
        Assert.Equal(1000 - dropped, first[0].Span<float>().Count(1 / 0.75f));
        Assert.False(first[0].Span<float>().SequenceEqual(second[0].Span<float>()), "Two runs dropped the same elements.");
        foreach (var tensor in first.Concat(second)) tensor.Dispose();
    }

    [Fact]
    public void Rows_of_an_embedding_that_occur_many_times_add_up_exactly()
    {
        // The kernel races with itself in a session of several threads, now and then: so their number is checked, and the sums.
        Assert.Equal(1, NetworkTraining.SessionOptions.IntraOpThreads);
        const int ids = 20_000, rows = 64, width = 16;
        var random = new Random(Seed);
        var graph = new OnnxGraphBuilder("scatter");
        var tape = Tape.ForTraining(graph, Seed);
        var table = tape.Input("table", TensorElementType.Float, [rows, width], needsGradient: true);
        var positions = new long[ids];
        for (var i = 0; i < ids; i++) positions[i] = random.Next(rows);
        var embedded = table.Embed(Int64s(tape, positions));
        var gradient = tape.Gradients(embedded.SumAll(), [table])[0];
        graph.Output("d", gradient.Name, TensorElementType.Float, rows, width);

        using var session = OnnxSession.Load(graph.ToBytes(), NetworkTraining.SessionOptions);
        using var input = OnnxTensor.Create<float>(new float[rows * width], rows, width);
        for (var run = 0; run < 10; run++)
        {
            var outputs = session.Run(input);
            var sums = outputs[0].Span<float>();
            for (var i = 0; i < sums.Length; i++) Assert.Equal(positions.Count(id => id == i / width), sums[i]);
            outputs[0].Dispose();
        }
    }

    private static Tensor Int64s(Tape tape, params long[] values) => tape.Int64s(values);
}
