using System.Globalization;
using System.Text;
using System.Text.Json;
using Atoll.Prediction;

namespace Atoll.Tests.Prediction;

/// <summary>Numbers are read to the last bit as the framework reads them.</summary>
public sealed class JsonNumbersTests
{
    [Theory]
    [InlineData("0")]
    [InlineData("-0")]
    [InlineData("-0.0")]
    [InlineData("0.1")]
    [InlineData("16777217")]
    [InlineData("16777216.999999")]
    [InlineData("33554434.000001")]
    [InlineData("0.000000000000000000000000000000000000011754943")]
    [InlineData("340282346638528859811704183484516925440")]
    [InlineData("340282356779733661637539395458142568448")]
    [InlineData("0.0000000000000000000001")]
    [InlineData("123456789012345")]
    [InlineData("1234567890123456")]
    [InlineData("-1.5e3")]
    [InlineData("1e400")]
    public void Edges_are_read_as_the_framework_reads_them(string text) => Compare(text);

    [Fact]
    public void Any_number_is_read_as_the_framework_reads_it()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var i = 0; i < 200_000; i++)
        {
            Compare(random.Next(5) switch
            {
                0 => random.Next(-100_000, 100_000).ToString(CultureInfo.InvariantCulture),
                1 => (random.NextSingle() * 1000).ToString("R", CultureInfo.InvariantCulture),
                // Next to the middle between two floats.
                2 => ((decimal)BitConverter.Int32BitsToSingle(random.Next(0x3F800000, 0x4B000000)) + ((decimal)random.Next(1, 100) / 1_000_000)).ToString(CultureInfo.InvariantCulture),
                3 => BitConverter.Int64BitsToDouble((random.NextInt64() & 0x000FFFFFFFFFFFFF) | ((long)random.Next(1023 - 40, 1023 + 60) << 52)).ToString("F12", CultureInfo.InvariantCulture),
                _ => $"{(random.Next(2) == 0 ? "-" : "")}{random.Next(100)}.{new string('0', random.Next(20))}{random.Next(1_000_000)}",
            });
        }
    }

    private static void Compare(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var ours = new Utf8JsonReader(utf8);
        var theirs = new Utf8JsonReader(utf8);
        Assert.True(ours.Read() && theirs.Read());
        var isSingle = theirs.TryGetSingle(out var single) && float.IsFinite(single);
        Assert.True(isSingle == JsonNumbers.TryRead(ref ours, out float number), text);
        if (isSingle) Assert.True(BitConverter.SingleToInt32Bits(single) == BitConverter.SingleToInt32Bits(number), $"{text}: {number:R} instead of {single:R}");
        var isDouble = theirs.TryGetDouble(out var real) && double.IsFinite(real);
        Assert.True(isDouble == JsonNumbers.TryRead(ref ours, out double ourReal), text);
        if (isDouble) Assert.True(BitConverter.DoubleToInt64Bits(real) == BitConverter.DoubleToInt64Bits(ourReal), $"{text}: {ourReal:R} instead of {real:R}");
    }
}
