using System.Globalization;
using System.Text;
using Atoll.ModelImports;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Tests.ModelImports;

/// <summary>Damaged files of every kind are refused with a sentence, and cost no more than their own size lets expect.</summary>
/// <remarks>A long run: <c>FUZZ_ROUNDS=100000 ./test --filter ModelFileFuzz</c>. The seed of a failure is in its message.</remarks>
public sealed class ModelFileFuzzTests
{
    private const long BytesMax = 64 << 20;

    private static readonly string[] Words = ["-1", "0", "2147483647", "-2147483648", "9999999999999999999", "1e400", "-1e400", "nan", "inf", "null", "", "[", "}", "\"", "1 1 1", "\n", "\n\n", "Tree=0\n"];

    internal static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("FUZZ_ROUNDS"), CultureInfo.InvariantCulture, out var rounds) ? rounds : 400;

    public static TheoryData<string> Files() =>
        ["xgboost-multi", "xgboost-binary-base", "xgboost-dart", "xgboost-multi-parallel", "lightgbm-binary", "lightgbm-multi", "lightgbm-ova", "onnx-tensor", "onnx-zipmap", "onnx-loop", "onnx-tree"];

    [Theory]
    [MemberData(nameof(Files))]
    public void Damaged_files_are_refused_in_words(string name)
    {
        var source = name switch
        {
            "onnx-tensor" => ForeignModels.Tensor(),
            "onnx-zipmap" => ForeignModels.ZipMap(),
            "onnx-loop" => ForeignModels.EndlessLoop(),
            "onnx-tree" => ForeignModels.DeepTree(6),
            _ => TreeFileTests.Read(name),
        };
        var read = 0;
        for (var seed = 0; seed < Rounds; seed++)
        {
            var damaged = Damage(source, new Random(seed));
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                var file = ModelFile.Read(damaged, null);
                read++;
                Assert.NotEmpty(OnnxFile.Operators(OnnxFile.Parse(file.Served)));
                ModelSplitter.Split(file.Served);
            }
            catch (Exception refusal) when (refusal is ModelRefusedException or ModelSplitException or OnnxException)
            {
                Assert.NotEmpty(refusal.Message);
            }
            catch (Exception other)
            {
                Assert.Fail($"{name}, seed {seed}: {other}");
            }
            var took = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(took < BytesMax, $"{name}, seed {seed}: {took} bytes were allocated for a file of {damaged.Length}.");
        }

        // Otherwise nothing behind the first check was tried.
        Assert.True(read > 0, $"No damaged {name} was read.");
    }

    [Theory]
    [InlineData("{i\u0001a[$U#L\u007f\u007f\u007f\u007f\u007f\u007f\u007f\u007f", "out of range")]
    [InlineData("{i\u0001a[#l\u007f\u007f\u007f\u007fZ", "longer than the file")]
    [InlineData("{i\u0001a[$Z#l\u007f\u007f\u007f\u007f", "unknown kind")]
    [InlineData("{#l\u007f\u007f\u007f\u007f", "cut off")]
    [InlineData("{l\u007f\u007f\u007f\u007f", "cut off")]
    [InlineData("{i\u0001aS", "cut off")]
    [InlineData("{i\u0001a", "cut off")]
    [InlineData("{$U#i\u0001i\u0001a\u0001", "of one kind")]
    public void Lengths_that_the_file_does_not_have_cost_nothing(string content, string reason)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Assert.Throws<ModelRefusedException>(() => Ubjson.Read(Encoding.Latin1.GetBytes(content)));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        Assert.Contains(reason, refusal.Message);
    }

    [Theory]
    [InlineData('[', 100_000)]
    [InlineData('{', 100_000)]
    public void Nesting_ends(char mark, int times)
    {
        var binary = mark == '[' ? new string('[', times) : string.Concat(Enumerable.Repeat("{i\u0001a", times));
        Assert.Contains("nested too deeply", Assert.Throws<ModelRefusedException>(() => Ubjson.Read(Encoding.Latin1.GetBytes(binary))).Message);
        var json = mark == '[' ? "{\"a\":" + new string('[', times) : string.Concat(Enumerable.Repeat("{\"a\":", times));
        Assert.Contains("JSON", Assert.Throws<ModelRefusedException>(() => ModelFile.Read(Encoding.Latin1.GetBytes(json), null)).Message);
    }

    internal static byte[] Damage(byte[] source, Random random)
    {
        var bytes = source.ToList();
        for (var times = random.Next(1, 4); times > 0; times--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at));
                    break;
                case 3:
                    bytes.InsertRange(at, Encoding.Latin1.GetBytes(Words[random.Next(Words.Length)]));
                    break;
                case 4:
                    var from = random.Next(source.Length);
                    bytes.InsertRange(at, source[from..Math.Min(source.Length, from + random.Next(200))]);
                    break;
                default:
                    if (random.Next(4) == 0) bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
            if (bytes.Count == 0) bytes.Add(0);
        }
        return [.. bytes];
    }
}
