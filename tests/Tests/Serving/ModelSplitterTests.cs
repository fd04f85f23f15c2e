using System.Runtime.InteropServices;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;
using Xunit;

namespace Atoll.Tests.Serving;

/// <summary>Models in two parts against the whole ones.</summary>
public sealed class ModelSplitterTests
{
    public static TheoryData<string, byte[]> TreesThatSplit => new()
    {
        { "at most", TreeModels.Random(1, 9, 1) },
        { "all comparisons", TreeModels.Random(2, 30, 1, "MIXED") },
        { "average", TreeModels.Random(3, 8, 1, aggregate: "AVERAGE") },
        { "without base", TreeModels.Random(4, 5, 1, withBase: false) },
        { "logistic", TreeModels.Random(5, 12, 1, transform: "LOGISTIC") },
        { "several targets, one a tree", TreeModels.Random(6, 13, 3) },
        { "several targets a leaf", TreeModels.Random(7, 11, 3, severalPerLeaf: true) },
        { "softmax", TreeModels.Random(8, 12, 4, transform: "SOFTMAX") },
        { "two labels", TreeModels.Random(9, 14, 2, isClassifier: true, transform: "LOGISTIC") },
        { "two labels, no transform", TreeModels.Random(10, 14, 2, isClassifier: true) },
        { "two labels, positive", TreeModels.Random(11, 14, 2, isClassifier: true, positive: true, withBase: false) },
        { "three labels", TreeModels.Random(12, 14, 3, isClassifier: true, transform: "SOFTMAX") },
        { "labels in words", TreeModels.Random(13, 15, 3, "BRANCH_LT", isClassifier: true, severalPerLeaf: true, stringLabels: true) },
    };

    [Theory]
    [MemberData(nameof(TreesThatSplit))]
    public void Trees_as_a_tensor_give_what_trees_as_attributes_give(string name, byte[] model)
    {
        using var whole = OnnxSession.Load(model);
        var split = ModelSplitter.Split(OnnxOptimizer.Optimize(model));
        using var graph = OnnxSession.Load(split.Graph, new OnnxSessionOptions { Optimized = true, AtollOperators = true });
        using var parts = graph.Bind([.. whole.Inputs], [.. whole.Outputs], split.Weights);
        foreach (var count in (ReadOnlySpan<int>)[1, 2, 3, 4, 5, 33])
        {
            using var x = OnnxTensor.Create<float>(TreeModels.Rows(count, count), count, TreeModels.Features);
            var (expected, actual) = (whole.Run(x), parts.Run(x));
            Assert.Equal(expected.Length, actual.Length);
            for (var i = 0; i < expected.Length; i++)
            {
                Assert.Equal(expected[i].Shape, actual[i].Shape);
                if (expected[i].ElementType == TensorElementType.Float)
                    AssertClose(expected[i].Span<float>(), actual[i].Span<float>(), $"{name}, {count} rows, output {i}");
                else if (expected[i].ElementType == TensorElementType.Int64)
                    Assert.Equal(expected[i].Span<long>().ToArray(), actual[i].Span<long>().ToArray());
                else
                    Assert.Equal(expected[i].ToStrings(), actual[i].ToStrings());
            }
        }
    }

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string where)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            // Sums are the same to the bit; exponentials are another library's.
            Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-6f * Math.Max(1, Math.Abs(expected[i])), $"{where}, number {i}: {expected[i]:R} and {actual[i]:R}.");
        }
    }
}
