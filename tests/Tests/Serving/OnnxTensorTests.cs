using System.Runtime.InteropServices;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

public sealed class OnnxTensorTests
{
    [Fact]
    public void Every_number_type_passes_through_a_model_unchanged()
    {
        Echo<float>([1.5f, float.NaN, float.NegativeInfinity, -0f]);
        Echo<double>([1.5, double.Epsilon, double.MaxValue, -1]);
        Echo<sbyte>([1, sbyte.MinValue, sbyte.MaxValue, 0]);
        Echo<byte>([1, 0, 255, 128]);
        Echo<short>([1, short.MinValue, short.MaxValue, 0]);
        Echo<ushort>([1, 0, ushort.MaxValue, 7]);
        Echo<int>([1, int.MinValue, int.MaxValue, 0]);
        Echo<uint>([1, 0, uint.MaxValue, 7]);
        Echo<long>([1, long.MinValue, long.MaxValue, 0]);
        Echo<ulong>([1, 0, ulong.MaxValue, 7]);
        Echo<bool>([true, false, false, true]);
        Echo<Half>([(Half)1.5f, Half.NaN, Half.MaxValue, Half.Epsilon]);
        Echo<BFloat16>([(BFloat16)1.5f, (BFloat16)float.NaN, (BFloat16)3e38f, (BFloat16)(-2f)]);
    }

    [Fact]
    public void Half_and_bfloat16_mean_to_the_model_what_they_mean_here()
    {
        Assert.Equal([1.5f, -2.25f], Cast<Half>([(Half)1.5f, (Half)(-2.25f)]));
        Assert.Equal([1.5f, -2.25f], Cast<BFloat16>([(BFloat16)1.5f, (BFloat16)(-2.25f)]));
    }

    [Fact]
    public void Bfloat16_rounds_to_the_nearest_value_and_ties_to_even()
    {
        Assert.Equal(1f, (float)(BFloat16)1.00390625f);                 // half a step above 1: the even neighbour
        Assert.Equal(1.015625f, (float)(BFloat16)1.01171875f);          // half a step above the odd neighbour
        Assert.Equal(1.0078125f, (float)(BFloat16)1.0040f);
        Assert.True(float.IsPositiveInfinity((float)(BFloat16)float.MaxValue));
        Assert.True(float.IsNaN((float)(BFloat16)BitConverter.UInt32BitsToSingle(0x7F800001)));
        Assert.True(float.IsNaN((float)(BFloat16)BitConverter.UInt32BitsToSingle(0xFFFFFFFF)));
    }

    [Fact]
    public void Strings_pass_through_a_model_unchanged()
    {
        string[] values = ["", "plain", "Grüße, 世界 🌊", "two\nlines", new string('x', 10_000), ""];
        using var session = OnnxSession.Load(TestModels.Echo(TensorElementType.String, "N"));
        using var x = OnnxTensor.FromStrings(values, values.Length);

        using var y = Assert.Single(session.Run(x));

        Assert.Equal(values, y.ToStrings());
    }

    [Fact]
    public void Strings_with_a_zero_character_are_not_cut()
    {
        string[] values = ["before\0after", "\0", "none"];
        using var tensor = OnnxTensor.FromStrings(values, 3);
        Assert.Equal(values, tensor.ToStrings());
    }

    [Fact]
    public void Strings_are_replaced_in_place_as_text_or_as_utf8()
    {
        using var tensor = OnnxTensor.FromStrings(["a", "b"], 2);
        tensor.SetStrings(["longer than before", ""]);
        tensor.SetUtf8(1, "ü"u8);
        Assert.Equal(["longer than before", "ü"], tensor.ToStrings());
    }

    [Fact]
    public void Empty_tensors_have_a_shape_and_no_elements()
    {
        using var session = OnnxSession.Load(TestModels.Echo(TensorElementType.Float, "N", 3));
        using var x = OnnxTensor.Create<float>([], 0, 3);
        using var y = Assert.Single(session.Run(x));
        Assert.Equal([0, 3], y.Shape);
        Assert.Equal(0, y.Span<float>().Length);

        using var strings = OnnxTensor.FromStrings([], 0);
        Assert.Empty(strings.ToStrings());
    }

    [Fact]
    public void Scalars_have_one_element_and_no_dimensions()
    {
        using var session = OnnxSession.Load(TestModels.Echo(TensorElementType.Int64));
        using var x = OnnxTensor.Create<long>([42], []);
        using var y = Assert.Single(session.Run(x));
        Assert.Empty(y.Shape);
        Assert.Equal(42, Assert.Single(y.Span<long>().ToArray()));
    }

    [Fact]
    public unsafe void Tensor_over_memory_of_the_caller_copies_nothing()
    {
        using var session = OnnxSession.Load(TestModels.Echo(TensorElementType.Int32, 2));
        var memory = (int*)NativeMemory.AllocZeroed(2, sizeof(int));
        try
        {
            using var x = OnnxTensor.Over(memory, 2, 2);
            (memory[0], memory[1]) = (7, 9);
            using var y = Assert.Single(session.Run(x));
            Assert.Equal([7, 9], y.Span<int>().ToArray());
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    [Fact]
    public void Refusals_name_the_shape_and_the_type()
    {
        using var tensor = OnnxTensor.Allocate<float>(2, 3);
        using var strings = OnnxTensor.FromStrings(["a"], 1);

        Refuses("5 values do not fill a tensor Float [2, 3].", () => OnnxTensor.Create<float>([1, 2, 3, 4, 5], 2, 3));
        Refuses("2 values do not fill a tensor String [1].", () => strings.SetStrings(["a", "b"]));
        Refuses("Element 0 is null; a string tensor has no missing values.", () => strings.SetStrings([null!]));
        Refuses("The tensor holds Float [2, 3], which cannot be read as Int64.", () => tensor.Span<long>());
        Refuses("The tensor holds Float [2, 3], not strings.", () => tensor.ToStrings());
        Refuses("A string tensor has no plain memory; use ToStrings.", () => strings.Bytes());
        Refuses("A tensor cannot have the shape Float [?, 3]: dimensions are zero or more.", () => OnnxTensor.Allocate<float>(-1, 3));
        Refuses("A tensor Float [65536, 65536] is larger than 2 GiB.", () => OnnxTensor.Allocate<float>(65536, 65536));
        Refuses("A tensor Float [4611686018427387904, 4] is larger than 2 GiB.", () => OnnxTensor.Allocate<float>(1L << 62, 4));
        Refuses("There is no tensor element type for Char.", () => OnnxTensor.Allocate<char>(1), code: OnnxErrorCode.NotImplemented);
    }

    [Fact]
    public void Disposed_tensor_refuses_to_be_read_or_run()
    {
        using var session = OnnxSession.Load(TestModels.Echo(TensorElementType.Float, "N"));
        var tensor = OnnxTensor.Create<float>([1], 1);
        tensor.Dispose();
        tensor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { tensor.Span<float>(); });
        Assert.Throws<ObjectDisposedException>(() => session.Run(tensor));

        var strings = OnnxTensor.FromStrings(["a"], 1);
        strings.Dispose();
        Assert.Throws<ObjectDisposedException>(() => strings.ToStrings());
    }

    private static void Echo<T>(T[] values) where T : unmanaged
    {
        using var session = OnnxSession.Load(TestModels.Echo(TensorElements.Of<T>(), "N", 2));
        using var x = OnnxTensor.Create(values, 2, 2);
        using var y = Assert.Single(session.Run(x));
        Assert.Equal(TensorElements.Of<T>(), y.ElementType);
        Assert.Equal([2, 2], y.Shape);
        // Bits, not values: NaN and -0 count too.
        Assert.Equal(MemoryMarshal.AsBytes(values.AsSpan()).ToArray(), y.Bytes().ToArray());
    }

    private static float[] Cast<T>(T[] values) where T : unmanaged
    {
        var graph = new OnnxGraphBuilder("cast");
        var x = graph.Input("x", TensorElements.Of<T>(), "N");
        graph.Output("y", graph.Node("Cast", [x], OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Float)), TensorElementType.Float, "N");
        using var session = OnnxSession.Load(graph.ToBytes());
        using var input = OnnxTensor.Create(values, values.Length);
        using var output = Assert.Single(session.Run(input));
        return output.Span<float>().ToArray();
    }

    private static void Refuses(string message, Action action, OnnxErrorCode code = OnnxErrorCode.InvalidArgument)
    {
        var refusal = Assert.Throws<OnnxException>(action);
        Assert.Equal((code, message), (refusal.Code, refusal.Message));
    }
}
