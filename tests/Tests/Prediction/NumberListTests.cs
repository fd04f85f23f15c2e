using System.Globalization;
using System.Text;
using System.Text.Json;
using Atoll.Prediction.OpenInference;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Prediction;

/// <summary>Lists of numbers that are read without tokens are those that are read with them, to the last bit; and nothing else is.</summary>
public sealed class NumberListTests
{
    [Fact]
    public void What_is_read_is_what_the_other_reader_reads_and_the_rest_of_the_body_follows()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var read = 0;
        var rounds = Math.Max(20_000, ModelImports.ModelFileFuzzTests.Rounds);
        for (var i = 0; i < rounds; i++)
        {
            long[] shape = random.Next(3) switch { 0 => [random.Next(1, 6)], 1 => [random.Next(1, 4), random.Next(1, 4)], _ => [random.Next(1, 3), random.Next(1, 3), random.Next(1, 3)] };
            var list = new StringBuilder();
            Write(list, shape, random.Next(2) == 0 ? shape.Length : 1, shape.Aggregate(1L, (a, b) => a * b), random);

            // Some are spoilt.
            if (random.Next(3) == 0) list[random.Next(list.Length)] = "[],.-0e 9x"[random.Next(10)];
            read += Compare($$"""{"data":{{list}},"after":[1]}""", shape) ? 1 : 0;
        }
        Assert.InRange(read, rounds / 4, rounds - 1_000);
    }

    [Theory]
    [InlineData("[01]", 1)]
    [InlineData("[1.]", 1)]
    [InlineData("[.5]", 1)]
    [InlineData("[-]", 1)]
    [InlineData("[--1]", 1)]
    [InlineData("[1,]", 1)]
    [InlineData("[,1]", 1)]
    [InlineData("[1 2]", 2)]
    [InlineData("[1.2.3]", 1)]
    [InlineData("[]", 0)]
    [InlineData("[[1],[2]]", 2)]
    [InlineData("[1", 1)]
    [InlineData("[00]", 1)]
    [InlineData("[-01]", 1)]
    [InlineData("[\"1\"]", 1)]
    public void What_is_not_a_plain_list_of_that_shape_is_left_alone(string list, int count) =>
        Assert.False(Compare($$"""{"data":{{list}},"after":[1]}""", [count]));

    /// <summary>True when it was read.</summary>
    private static bool Compare(string body, long[] shape)
    {
        var json = Encoding.UTF8.GetBytes(body);
        using var ours = OnnxTensor.Allocate<float>(shape);
        using var theirs = OnnxTensor.Allocate<float>(shape);
        var fast = new Utf8JsonReader(json);
        var offset = 0;
        try
        {
            for (var i = 0; i < 3; i++) fast.Read();
        }
        catch (JsonException)
        {
            return false;
        }
        if (fast.TokenType != JsonTokenType.StartArray || !NumberList.TryRead(ref fast, json, ref offset, ours)) return false;
        var slow = new Utf8JsonReader(json);
        for (var i = 0; i < 3; i++) slow.Read();
        Assert.True(TensorData.Read(ref slow, "x", theirs) is null, body);
        Assert.True(ours.Bytes().SequenceEqual(theirs.Bytes()), body);

        // Both stand at the same place.
        while (true)
        {
            var (isThere, isSound) = Next(ref slow);
            Assert.Equal((isThere, isSound), Next(ref fast));
            if (!isThere) return true;
            Assert.Equal((slow.TokenType, slow.CurrentDepth), (fast.TokenType, fast.CurrentDepth));
        }

        static (bool IsThere, bool IsSound) Next(ref Utf8JsonReader reader)
        {
            try
            {
                return (reader.Read(), true);
            }
            catch (JsonException)
            {
                return (false, false);
            }
        }
    }

    private static void Write(StringBuilder list, ReadOnlySpan<long> shape, int depth, long all, Random random)
    {
        list.Append('[');
        var count = depth == 1 ? (shape.Length == 1 ? shape[0] : all) : shape[0];
        for (var i = 0; i < count; i++)
        {
            if (i > 0) list.Append(random.Next(4) == 0 ? " , " : ",");
            if (depth > 1) Write(list, shape[1..], depth - 1, all, random);
            else list.Append(random.Next(6) switch
            {
                0 => random.Next(-1000, 1000).ToString(CultureInfo.InvariantCulture),
                1 => "0",
                2 => random.NextDouble().ToString("R", CultureInfo.InvariantCulture),
                _ => (random.NextSingle() * 100).ToString("F3", CultureInfo.InvariantCulture),
            });
        }
        list.Append(']');
    }
}
