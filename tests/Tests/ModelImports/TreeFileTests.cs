using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.ModelImports;
using Atoll.Serving.Onnx;
using Atoll.Serving.Splitting;

namespace Atoll.Tests.ModelImports;

/// <summary>Converted trees predict what the library predicts that made them. The files are made by <c>Golden/trees/make.py</c>.</summary>
public sealed class TreeFileTests
{
    private const double Tolerance = 2e-6;

    public static TheoryData<string> Golden() =>
        [.. Directory.EnumerateFiles(Folder, "*.golden.json").Select(path => Path.GetFileName(path)[..^".golden.json".Length]).Order(StringComparer.Ordinal)];

    private static string Folder => Tests.Golden.InRepository("tests/Tests/Golden/trees");

    [Theory]
    [MemberData(nameof(Golden))]
    public void Predictions_are_those_of_the_library(string name)
    {
        var file = ModelFile.Read(Read(name), null);
        var golden = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, name + ".golden.json")))!;
        float[][] rows = [.. golden["rows"]!.AsArray().Select(row => row!.AsArray().Select(value => value is null ? float.NaN : (float)value).ToArray())];
        double[][] expected = [.. golden["predicted"]!.AsArray().Select(row => row!.AsArray().Select(value => (double)value!).ToArray())];
        Assert.Contains(rows, row => row.Any(float.IsNaN));

        // As the file that its owner downloads, and as what is served.
        using var whole = OnnxSession.Load(file.Served);
        var pack = ServingForm.Make(file.Served, TestContext.Current.CancellationToken);
        Assert.NotNull(pack.GraphDigest);
        using var graph = SharedGraph.Load(pack.Graph);
        using var served = graph.Bind(pack);
        foreach (var session in (OnnxSession[])[whole, served])
        {
            var actual = Run(session, rows);
            for (var i = 0; i < rows.Length; i++)
            {
                // A single probability is that of the second class.
                var row = expected[i].Length == 1 && actual[i].Length == 2 ? actual[i][1..] : actual[i];
                Assert.Equal(expected[i].Length, row.Length);
                for (var k = 0; k < row.Length; k++)
                    Assert.True(Math.Abs(expected[i][k] - row[k]) <= Tolerance * Math.Max(1, Math.Abs(expected[i][k])), $"{name}, row {i}: {expected[i][k]} and {row[k]}");
            }
        }
    }

    [Theory]
    [InlineData("xgboost-binary", ModelFormats.XgboostJson, "XGBoost gbtree, 6 trees, binary:logistic", "0,1")]
    [InlineData("xgboost-multi", ModelFormats.XgboostUbjson, "XGBoost gbtree, 18 trees, multi:softprob", "0,1,2")]
    [InlineData("xgboost-dart", ModelFormats.XgboostJson, "XGBoost dart, 8 trees, binary:logistic", "0,1")]
    [InlineData("xgboost-regression", ModelFormats.XgboostUbjson, "XGBoost gbtree, 6 trees, reg:squarederror", null)]
    [InlineData("lightgbm-ova", ModelFormats.LightGbmText, "LightGBM, 18 trees, multiclassova", "0,1,2")]
    public void The_content_tells_what_a_file_is(string name, string format, string algorithm, string? labels)
    {
        var file = ModelFile.Read(Read(name), null);
        Assert.Equal((format, algorithm, labels), (file.Format, file.Algorithm, file.Labels is null ? null : string.Join(',', file.Labels)));
    }

    [Fact]
    public void Labels_name_the_classes()
    {
        var file = ModelFile.Read(Read("xgboost-multi"), ["low", "mid", "high"]);
        Assert.Equal(["low", "mid", "high"], file.Labels!);
        using var session = OnnxSession.Load(file.Served);
        using var input = OnnxTensor.Create<float>([1, 1, 1, 1, 1, 1], 1, 6);
        var outputs = session.Run(input);
        var best = outputs[1].Span<float>().ToArray().Index().MaxBy(item => item.Item).Index;
        Assert.Equal(file.Labels![best], outputs[0].ToStrings()[0]);
        foreach (var output in outputs) output.Dispose();

        Assert.Contains("knows 3 classes", Refusal(Read("xgboost-multi"), ["a", "b"]));
        Assert.Contains("predicts a number", Refusal(Read("xgboost-gamma"), ["a", "b"]));
    }

    [Fact]
    public void What_cannot_be_converted_is_refused_with_a_remedy()
    {
        Assert.Contains("Encode categories as numbers", Refusal(Read("lightgbm-categorical")));
        Assert.Contains("zero_as_missing", Refusal(Read("lightgbm-zero")));
        Assert.Contains("linear_tree", Refusal(Changed("lightgbm-binary", "is_linear=0", "is_linear=1")));
        Assert.Contains("reg_sqrt", Refusal(Changed("lightgbm-regression", "objective=regression", "objective=regression sqrt")));
        Assert.Contains("'lambda' of LightGBM", Refusal(Changed("lightgbm-regression", "objective=regression", "objective=lambda")));
        Assert.Contains("'survival:cox'", Refusal(Changed("xgboost-binary", "binary:logistic", "survival:cox")));
        Assert.Contains("'gblinear'", Refusal(Changed("xgboost-binary", "\"gbtree\"", "\"gblinear\"")));
        Assert.Contains("no 'learner'", Refusal("""{"weights":[1,2]}"""u8.ToArray()));
        Assert.Contains("Encode categories as numbers", Refusal(Changed("xgboost-binary", "\"split_type\":[0", "\"split_type\":[1")));
    }

    [Theory]
    [InlineData("PK\x3\x4rest", "torch.onnx.export")]
    [InlineData("\x89HDF\r\n", "tf2onnx")]
    [InlineData("\x80\x4\x95", "pickle")]
    [InlineData("binf\0\0\0\0", "model.ubj")]
    [InlineData("\x18\0\0\0ORTM\0\0\0", "ONNX file")]
    public void Files_that_people_have_are_told_what_to_do_with(string content, string remedy) => Assert.Contains(remedy, Refusal(Encoding.Latin1.GetBytes(content)));

    [Fact]
    public void Trees_that_are_no_trees_are_refused()
    {
        Assert.Contains("two parents", Refusal(Changed("xgboost-binary", "\"left_children\":[1,3", "\"left_children\":[1,1")));
        Assert.Contains("two parents", Refusal(Changed("xgboost-binary", "\"left_children\":[1", "\"left_children\":[0")));
        Assert.Contains("feature that the model does not have", Refusal(Changed("xgboost-binary", "\"num_feature\":\"6\"", "\"num_feature\":\"1\"")));
        Assert.Contains("base score", Refusal(Changed("xgboost-binary", "\"base_score\":\"5E-1\"", "\"base_score\":\"1.5\"")));
        Assert.Contains("out of range", Refusal(Changed("lightgbm-binary", "right_child=1 ", "right_child=99 ")));
        Assert.Contains("end of its trees", Refusal(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(Read("lightgbm-binary")).Split("Tree=3")[0])));
        Assert.Contains("deeper than 1000", Refusal(Chain(5000)));
    }

    internal static byte[] Read(string name) => File.ReadAllBytes(Directory.EnumerateFiles(Folder, name + ".*").Single(path => !path.EndsWith(".golden.json", StringComparison.Ordinal)));

    internal static byte[] Changed(string name, string from, string to)
    {
        var text = Encoding.UTF8.GetString(Read(name));
        Assert.Contains(from, text);
        return Encoding.UTF8.GetBytes(text.Replace(from, to, StringComparison.Ordinal));
    }

    private static byte[] Chain(int depth)
    {
        string Join(Func<int, int> child) => string.Join(' ', Enumerable.Range(0, depth).Select(child));
        return Encoding.UTF8.GetBytes($"""
            tree
            num_tree_per_iteration=1
            max_feature_idx=0
            objective=regression

            Tree=0
            num_leaves={depth + 1}
            split_feature={Join(_ => 0)}
            threshold={Join(i => i)}
            decision_type={Join(_ => 2)}
            left_child={Join(i => ~i)}
            right_child={Join(i => i + 1 < depth ? i + 1 : ~depth)}
            leaf_value={Join(i => i)} 0

            end of trees

            """.ReplaceLineEndings("\n"));
    }

    private static string Refusal(byte[] source, IReadOnlyList<string>? labels = null) => Assert.Throws<ModelRefusedException>(() => ModelFile.Read(source, labels)).Message;

    /// <summary>The numbers that come out, of models that take columns and of those that take one tensor.</summary>
    private static float[][] Run(OnnxSession session, float[][] rows)
    {
        OnnxTensor[] inputs = session.Inputs.Count == 1
            ? [OnnxTensor.Create<float>(rows.SelectMany(row => row).ToArray(), rows.Length, rows[0].Length)]
            : [.. session.Inputs.Select((_, column) => OnnxTensor.Create<float>(rows.Select(row => row[column]).ToArray(), rows.Length, 1))];
        var outputs = session.Run(inputs);
        try
        {
            var numbers = outputs.Single(output => output.ElementType == TensorElementType.Float);
            var width = (int)numbers.Shape[1];
            return [.. numbers.Span<float>().ToArray().Chunk(width)];
        }
        finally
        {
            foreach (var tensor in inputs.Concat(outputs)) tensor.Dispose();
        }
    }
}
