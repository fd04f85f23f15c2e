using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

public sealed class OnnxSessionTests
{
    private static readonly float[] Weights = [0.5f, -1f, 2f];

    [Fact]
    public void Logistic_regression_gives_the_probabilities_of_the_formula()
    {
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0.25f));
        using var x = OnnxTensor.Create<float>([1, 2, 3, -1, 0, 0.5f], 2, 3);

        using var y = Assert.Single(session.Run(x));

        Assert.Equal([2, 1], y.Shape);
        Assert.Equal(1 / (1 + MathF.Exp(-4.75f)), y.Span<float>()[0], 1e-6f);
        Assert.Equal(1 / (1 + MathF.Exp(-0.75f)), y.Span<float>()[1], 1e-6f);
    }

    [Fact]
    public void Signature_is_read_with_names_types_and_free_dimensions()
    {
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0));

        var input = Assert.Single(session.Inputs);
        Assert.Equal(("x", TensorElementType.Float, "Float [N, 3]"), (input.Name, input.Type, input.Describe()));
        Assert.Equal([-1, 3], input.Shape);
        Assert.Equal(["N", ""], input.DimensionNames);
        Assert.Equal("probability", Assert.Single(session.Outputs).Name);
        Assert.Equal((0, -1), (session.IndexOfInput("x"), session.IndexOfInput("z")));
    }

    [Fact]
    public void Preallocated_outputs_are_filled_without_managed_allocation()
    {
        using var session = OnnxSession.Load(TestModels.Logistic(Weights, 0.25f));
        using var x = OnnxTensor.Create<float>([1, 2, 3], 1, 3);
        using var y = OnnxTensor.Allocate<float>(1, 1);
        for (var i = 0; i < 100; i++) session.Run([x], [y]);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++) session.Run([x], [y]);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(0, allocated);
        Assert.Equal(1 / (1 + MathF.Exp(-4.75f)), y.Span<float>()[0], 1e-6f);
    }
}
