using Atoll.Serving.Onnx;
using Atoll.Training.Autodiff;

namespace Atoll.Tests.Training.Autodiff;

/// <summary>Whole trainings: the optimiser, the shards, repeatability, and the step from training to serving.</summary>
public class NetworkTrainingTests
{
    private const int Seed = 5;

    [Fact]
    public void A_small_network_learns_exclusive_or()
    {
        float[] x = [0, 0, 0, 1, 1, 0, 1, 1];
        long[] labels = [0, 1, 1, 0];
        using var training = new NetworkTraining(tape => Perceptron(tape, 4), new AdamSettings(), shards: 1, Seed);

        float loss = 0;
        for (var step = 0; step < 300; step++) loss = training.Step(0.03f, shard => Fill(training, shard, x, labels));

        Assert.InRange(loss, 0, 0.02f);
    }

    [Fact]
    public void Same_seed_gives_the_same_weights_bit_for_bit_and_another_seed_others()
    {
        Assert.Equal(Learn(Seed), Learn(Seed));
        Assert.NotEqual(Learn(Seed), Learn(Seed + 1));

        static float[] Learn(int seed)
        {
            using var training = new NetworkTraining(tape => Perceptron(tape, 2, dropout: 0.2f), new AdamSettings(), shards: 2, seed);
            for (var step = 0; step < 20; step++)
                training.Step(0.03f, shard => Fill(training, shard, shard == 0 ? [0, 0, 0, 1] : [1, 0, 1, 1], shard == 0 ? [0, 1] : [1, 0]));
            return [.. training.Snapshot()["hidden"], .. training.Snapshot()["output"]];
        }
    }

    [Fact]
    public void Two_shards_learn_what_one_learns_from_the_whole_batch()
    {
        using var whole = new NetworkTraining(tape => Perceptron(tape, 4), new AdamSettings(), shards: 1, Seed);
        using var halves = new NetworkTraining(tape => Perceptron(tape, 2), new AdamSettings(), shards: 2, Seed);
        for (var step = 0; step < 5; step++)
        {
            var a = whole.Step(0.03f, shard => Fill(whole, shard, [0, 0, 0, 1, 1, 0, 1, 1], [0, 1, 1, 0]));
            var b = halves.Step(0.03f, shard => Fill(halves, shard, shard == 0 ? [0, 0, 0, 1] : [1, 0, 1, 1], shard == 0 ? [0, 1] : [1, 0]));
            Assert.Equal(a, b, 1e-5f);
        }
        var (expected, actual) = (whole.Snapshot()["hidden"], halves.Snapshot()["hidden"]);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-4f);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(0.1f)]
    public void Adam_takes_the_steps_of_its_definition(float weightDecay)
    {
        const float rate = 0.05f;
        float[] targets = [1, -2, 0.5f, 3];
        var adam = new AdamSettings { WeightDecay = weightDecay };
        using var training = new NetworkTraining(
            tape =>
            {
                var w = tape.Parameter("w", [2, 2], Initializer.Normal(1));
                var difference = w - tape.Constant(targets, 2, 2);
                return (difference * difference).SumAll();
            },
            adam, shards: 1, Seed);
        var expected = Array.ConvertAll(training.Snapshot()["w"], value => (double)value);
        var (m, v) = (new double[4], new double[4]);
        for (var step = 1; step <= 8; step++)
        {
            training.Step(rate, _ => { });
            for (var i = 0; i < expected.Length; i++)
            {
                var gradient = 2 * (expected[i] - targets[i]);
                m[i] = 0.9 * m[i] + 0.1 * gradient;
                v[i] = 0.999 * v[i] + 0.001 * gradient * gradient;
                var (m1, v1) = (m[i] / (1 - Math.Pow(0.9, step)), v[i] / (1 - Math.Pow(0.999, step)));
                expected[i] -= rate * m1 / (Math.Sqrt(v1) + 1e-8) + rate * weightDecay * expected[i];
            }
        }
        var actual = training.Snapshot()["w"];
        for (var i = 0; i < actual.Length; i++) Assert.Equal(expected[i], actual[i], 1e-4);
    }

    [Fact]
    public void Weight_decay_leaves_gains_and_biases_alone()
    {
        using var training = new NetworkTraining(
            tape => tape.Parameter("gain", [3], Initializer.Ones).SumAll() * 0 + tape.Parameter("matrix", [3, 1], Initializer.Ones).SumAll() * 0,
            new AdamSettings { WeightDecay = 1 }, shards: 1, Seed);
        training.Step(0.5f, _ => { });
        Assert.Equal([1f, 1f, 1f], training.Snapshot()["gain"]);
        Assert.Equal([0.5f, 0.5f, 0.5f], training.Snapshot()["matrix"]);
    }

    [Fact]
    public void Served_network_computes_what_the_network_in_training_did()
    {
        const int batch = 3, height = 9, width = 12, outputs = 5;
        var random = new Random(Seed);
        var image = GradientCheck.Values.Of(batch, 2, height, width).Draw(random);
        var targets = GradientCheck.Values.Of(batch, outputs).Draw(random);
        // The running averages follow the batch at once and the weights stay, so that both forms must agree.
        using var training = new NetworkTraining(
            tape =>
            {
                var x = tape.Input("image", TensorElementType.Float, [batch, 2, height, width]);
                var y = Layers(tape, x);
                return y.SquaredError(tape.Constant(targets, batch, outputs), tape.Constant([0.2f, 0.5f, 0.3f], batch));
            },
            new AdamSettings { AverageMomentum = 1 }, shards: 1, Seed);
        var loss = training.Step(0, _ => image.CopyTo(training.Input(0, "image").Span<float>()));

        var graph = new OnnxGraphBuilder("served");
        var serving = Tape.ForServing(graph, training.Snapshot());
        var served = Layers(serving, serving.Input("image", TensorElementType.Float, [Tensor.Free, 2, height, width]));
        graph.Output("y", served.Name, TensorElementType.Float, "N", outputs);
        using var session = OnnxSession.Load(graph.ToBytes());
        using var input = OnnxTensor.Create<float>(image, batch, 2, height, width);
        using var result = session.Run(input)[0];

        Assert.Equal([batch, outputs], result.Shape);
        double expected = 0;
        float[] weights = [0.2f, 0.5f, 0.3f];
        for (var i = 0; i < targets.Length; i++)
            expected += weights[i / outputs] * Math.Pow(result.Span<float>()[i] - targets[i], 2) / outputs;
        Assert.Equal(expected, loss, 1e-4);

        static Tensor Layers(Tape tape, Tensor image)
        {
            var first = FeatureMap.FromImage(image).Convolution("first", 6, 5, 1).Relu().MaxPool();
            var second = first.Convolution("second", 6, 3, 1).Relu().Add(first).AveragePool(2).Convolution("third", 4, 3, 2).Relu();
            return second.GlobalAveragePool()
                .Gemm(tape.Parameter("head", [4, outputs], Initializer.LeCun(4)), tape.Parameter("head.bias", [outputs], Initializer.Zeros))
                .Softmax();
        }
    }

    private static Tensor Perceptron(Tape tape, int batch, float dropout = 0)
    {
        var x = tape.Input("x", TensorElementType.Float, [batch, 2]);
        var labels = tape.Input("labels", TensorElementType.Int64, [batch]);
        var hidden = x.Gemm(tape.Parameter("hidden", [2, 16], Initializer.He(2)), tape.Parameter("hidden.bias", [16], Initializer.Zeros));
        var logits = hidden.Tanh().Dropout(dropout)
            .Gemm(tape.Parameter("output", [16, 2], Initializer.LeCun(16)), tape.Parameter("output.bias", [2], Initializer.Zeros));
        var weights = new float[batch];
        Array.Fill(weights, 0.25f);
        return logits.CrossEntropy(labels, tape.Constant(weights, batch));
    }

    private static void Fill(NetworkTraining training, int shard, float[] x, long[] labels)
    {
        x.CopyTo(training.Input(shard, "x").Span<float>());
        labels.CopyTo(training.Input(shard, "labels").Span<long>());
    }
}
