using Atoll.Contracts;
using Atoll.Serving.Onnx;
using Atoll.Serving.Onnx.Proto;
using Atoll.Serving.Splitting;
using Atoll.Tests.Training.Images;
using Atoll.Tests.Training.Tabular;
using Atoll.Training;
using Atoll.Training.Images;
using Atoll.Training.Tabular;
using Atoll.Training.Text;
using Google.Protobuf;
using Xunit;

namespace Atoll.Tests.Serving;

/// <summary>The form in which registered models are served: what is shared, what is not, and files that are broken.</summary>
public sealed class ServingFormTests
{
    [Theory]
    [InlineData("trees", TaskKinds.Classification)]
    [InlineData("linear", TaskKinds.Classification)]
    [InlineData("trees", TaskKinds.Regression)]
    public void Models_of_two_customers_tables_share_a_graph(string candidates, string task)
    {
        var first = Make(Tabular(1, candidates, task));
        var second = Make(Tabular(2, candidates, task));

        Assert.Equal("", first.Reason);
        Assert.Equal("", second.Reason);
        Assert.Equal(first.GraphDigest, second.GraphDigest);
        Assert.NotEqual(BytesOf(first), BytesOf(second));
    }

    [Fact]
    public void Models_of_two_customers_texts_share_a_graph()
    {
        var first = Make(Text(["how do I pay my bill", "pay the bill now", "where is my parcel", "the parcel is late"], ["bill", "parcel"]));
        var second = Make(Text(["I love it", "so good", "what a pity", "very bad", "neither this nor that", "it is there"], ["good", "bad", "neutral"]));

        Assert.Equal(("", ""), (first.Reason, second.Reason));
        Assert.Equal(first.GraphDigest, second.GraphDigest);
    }

    [Fact]
    public void Models_of_two_customers_images_share_a_graph()
    {
        var first = Make(Image(1));
        var second = Make(Image(2));

        Assert.Equal(("", ""), (first.Reason, second.Reason));
        Assert.Equal(first.GraphDigest, second.GraphDigest);
    }

    [Fact]
    public void A_model_with_control_flow_gets_a_session_of_its_own_and_says_why()
    {
        var pack = ServingForm.Make(TestModels.Endless(), CancellationToken.None);

        Assert.Null(pack.GraphDigest);
        Assert.Contains("control flow", pack.Reason, StringComparison.Ordinal);
        Assert.Empty(pack.Weights);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Maps_of_probabilities_are_served_as_the_tensor_that_they_are_made_of(bool isText)
    {
        var graph = new OnnxGraphBuilder("classifier");
        var x = graph.Input("x", TensorElementType.Float, "N", 2);
        var outputs = graph.Node("ai.onnx.ml", "LinearClassifier", [x], 2,
            OnnxGraphBuilder.Attribute("coefficients", [1f, -1f, 0.5f, 2f, -1f, 0f]), OnnxGraphBuilder.Attribute("intercepts", [0.1f, 0f, -0.2f]),
            OnnxGraphBuilder.Attribute("classlabels_ints", [7L, 8L, 9L]), OnnxGraphBuilder.Attribute("post_transform", "SOFTMAX"));
        graph.Output("output_label", outputs[0], TensorElementType.Int64, "N");
        var plain = graph.ToBytes();
        var zipped = TestModels.WithZipMap(plain, outputs[1], "output_probability", isText);

        var model = ModelProto.Parser.ParseFrom(zipped);
        var labels = ZipMaps.Remove(model);
        Assert.Equal(isText ? ["seven", "eight", "nine"] : ["7", "8", "9"], labels["output_probability"]);
        var pack = ServingForm.Make(model.ToByteArray(), CancellationToken.None);
        using var shared = SharedGraph.Load(pack.Graph);
        using var served = shared.Bind(pack);
        Assert.Equal(["Int64 [N]", "Float [N, 3]"], served.Outputs.Select(output => output.Describe()));

        graph.Output("probabilities", outputs[1], TensorElementType.Float, "N", 3);
        using var expected = OnnxSession.Load(graph.ToBytes());
        using var input = OnnxTensor.Create<float>([1, 2, -3, 0.5f], 2, 2);
        var (want, got) = (expected.Run(input), served.Run(input));
        Assert.Equal(want[0].Span<long>().ToArray(), got[0].Span<long>().ToArray());
        Assert.All(want[1].Span<float>().ToArray().Zip(got[1].Span<float>().ToArray()), pair => Assert.Equal(pair.First, pair.Second, 1e-6f));
        foreach (var tensor in want.Concat(got)) tensor.Dispose();
    }

    /// <summary>Preparation and linear models as scikit-learn's converter writes them: every kind of node, in the forms that are left to ONNX Runtime too.</summary>
    [Theory]
    [InlineData("LinearRegressor", true)]
    [InlineData("LinearRegressor of two", true)]
    [InlineData("LinearClassifier of words", true)]
    [InlineData("LinearClassifier of numbers", true)]
    [InlineData("LinearClassifier of numbers in whole", true)]
    [InlineData("LinearClassifier of one row", false)]
    [InlineData("LinearClassifier with probit", false)]
    [InlineData("Scaler", true)]
    [InlineData("Scaler with one number", true)]
    [InlineData("Scaler of double", true)]
    [InlineData("Imputer of NaN", true)]
    [InlineData("Imputer of a number", true)]
    [InlineData("Imputer of whole numbers", true)]
    [InlineData("OneHotEncoder of words", true)]
    [InlineData("OneHotEncoder of numbers", true)]
    [InlineData("OneHotEncoder that insists", false)]
    [InlineData("LabelEncoder to words", true)]
    [InlineData("LabelEncoder to numbers", true)]
    public void What_operators_of_scikit_learn_keep_in_attributes_becomes_weights(string kind, bool isShared)
    {
        var (first, second) = (OperatorOfMl(kind, 1), OperatorOfMl(kind, 2));
        var (one, other) = (ServingForm.Make(first, CancellationToken.None), ServingForm.Make(second, CancellationToken.None));
        Assert.True(isShared == (one.GraphDigest is not null), one.Reason);
        if (!isShared)
        {
            Assert.Contains(kind.Split(' ')[0], one.Reason, StringComparison.Ordinal);
            return;
        }
        Assert.Equal(one.GraphDigest, other.GraphDigest);
        Assert.NotEqual(BytesOf(one), BytesOf(other));

        // The parity check has held both beside ONNX Runtime; here once more, with the second's weights behind the first's graph.
        using var graph = SharedGraph.Load(one.Graph);
        using var parts = graph.Bind(other);
        using var whole = OnnxSession.Load(second);
        Assert.Null(Parity.Compare(whole, parts, second, CancellationToken.None));
    }

    private static byte[] OperatorOfMl(string kind, int seed)
    {
        const string Ml = "ai.onnx.ml";
        var random = new Random(seed);
        float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        var graph = new OnnxGraphBuilder("sklearn");
        var words = kind.StartsWith("OneHotEncoder of words", StringComparison.Ordinal) || kind == "LabelEncoder to numbers";
        var type = words ? TensorElementType.String
            : kind is "Scaler of double" ? TensorElementType.Double
            : kind.EndsWith("whole", StringComparison.Ordinal) || kind.EndsWith("whole numbers", StringComparison.Ordinal) || kind.Contains("Encoder", StringComparison.Ordinal) ? TensorElementType.Int64
            : TensorElementType.Float;
        var x = graph.Input("x", type, "N", kind.Contains("Encoder", StringComparison.Ordinal) ? 1 : 3);
        string Make(string operation, params AttributeProto[] attributes) => graph.Node(Ml, operation, [x], 1, attributes)[0];
        switch (kind)
        {
            case "LinearRegressor":
                graph.Output("y", Make("LinearRegressor", OnnxGraphBuilder.Attribute("coefficients", Numbers(3)), OnnxGraphBuilder.Attribute("intercepts", Numbers(1))), TensorElementType.Float, "N", 1);
                break;
            case "LinearRegressor of two":
                graph.Output("y", Make("LinearRegressor", OnnxGraphBuilder.Attribute("coefficients", Numbers(6)), OnnxGraphBuilder.Attribute("targets", 2)), TensorElementType.Float, "N", 2);
                break;
            case var linear when linear.StartsWith("LinearClassifier", StringComparison.Ordinal):
                var rows = kind.EndsWith("one row", StringComparison.Ordinal) ? 1 : 3;
                var outputs = graph.Node(Ml, "LinearClassifier", [x], 2,
                    OnnxGraphBuilder.Attribute("coefficients", Numbers(rows * 3)), OnnxGraphBuilder.Attribute("intercepts", Numbers(rows)),
                    kind.EndsWith("words", StringComparison.Ordinal) ? OnnxGraphBuilder.Attribute("classlabels_strings", (string[])[$"a{seed}", "b", "c"]) : OnnxGraphBuilder.Attribute("classlabels_ints", (long[])[.. ((long[])[seed, 7, 9])[..Math.Max(2, rows)]]),
                    OnnxGraphBuilder.Attribute("post_transform", kind.EndsWith("probit", StringComparison.Ordinal) ? "PROBIT" : kind.EndsWith("numbers", StringComparison.Ordinal) ? "LOGISTIC" : "SOFTMAX"));
                graph.Output("label", outputs[0], kind.EndsWith("words", StringComparison.Ordinal) ? TensorElementType.String : TensorElementType.Int64, "N");
                graph.Output("scores", outputs[1], TensorElementType.Float, "N", Math.Max(2, rows));
                break;
            case "Scaler with one number":
                graph.Output("y", Make("Scaler", OnnxGraphBuilder.Attribute("offset", Numbers(1)), OnnxGraphBuilder.Attribute("scale", Numbers(1))), TensorElementType.Float, "N", 3);
                break;
            case "Scaler" or "Scaler of double":
                graph.Output("y", Make("Scaler", OnnxGraphBuilder.Attribute("offset", Numbers(3)), OnnxGraphBuilder.Attribute("scale", Numbers(3))), TensorElementType.Float, "N", 3);
                break;
            case "Imputer of whole numbers":
                graph.Output("y", Make("Imputer", OnnxGraphBuilder.Attribute("imputed_value_int64s", (long[])[seed, 5, 6]), OnnxGraphBuilder.Attribute("replaced_value_int64", 1)), type, "N", 3);
                break;
            case var imputer when imputer.StartsWith("Imputer", StringComparison.Ordinal):
                graph.Output("y", Make("Imputer", OnnxGraphBuilder.Attribute("imputed_value_floats", Numbers(3)), OnnxGraphBuilder.Attribute("replaced_value_float", kind.EndsWith("NaN", StringComparison.Ordinal) ? float.NaN : 0f)), type, "N", 3);
                break;
            case "OneHotEncoder of words":
                graph.Output("y", Make("OneHotEncoder", OnnxGraphBuilder.Attribute("cats_strings", (string[])["Yes", "no", $"w{seed}"])), TensorElementType.Float, "N", 1, 3);
                break;
            case var encoder when encoder.StartsWith("OneHotEncoder", StringComparison.Ordinal):
                graph.Output("y", Make("OneHotEncoder", OnnxGraphBuilder.Attribute("cats_int64s", (long[])[0, 1, seed + 3]), OnnxGraphBuilder.Attribute("zeros", kind.EndsWith("insists", StringComparison.Ordinal) ? 0 : 1)), TensorElementType.Float, "N", 1, 3);
                break;
            case "LabelEncoder to words":
                graph.Output("y", Make("LabelEncoder", OnnxGraphBuilder.Attribute("keys_int64s", (long[])[0, 1, 5]), OnnxGraphBuilder.Attribute("values_strings", (string[])["zero", "one", $"w{seed}"])), TensorElementType.String, "N", 1);
                break;
            default:
                graph.Output("y", Make("LabelEncoder", OnnxGraphBuilder.Attribute("keys_strings", (string[])["Yes", "no", "a"]), OnnxGraphBuilder.Attribute("values_floats", Numbers(3)), OnnxGraphBuilder.Attribute("default_float", 0.5f + seed)), TensorElementType.Float, "N", 1);
                break;
        }
        return graph.ToBytes();
    }

    [Fact]
    public void Maps_that_do_not_fit_to_their_labels_or_are_no_outputs_are_left_alone()
    {
        // Its labels are two, its input has three.
        var unfit = ModelProto.Parser.ParseFrom(TestModels.ZipMap(classes: 3));
        Assert.Empty(ZipMaps.Remove(unfit));
        Assert.Equal("ZipMap", unfit.Graph.Node[0].OpType);

        var used = ModelProto.Parser.ParseFrom(TestModels.ZipMap());
        used.Graph.Node.Add(new NodeProto { OpType = "SequenceLength", Input = { used.Graph.Output[0].Name }, Output = { "length" } });
        Assert.Empty(ZipMaps.Remove(used));

        // A model without operators of the standard set gets it.
        var sound = ModelProto.Parser.ParseFrom(TestModels.ZipMap());
        sound.OpsetImport.Remove(sound.OpsetImport.FirstOrDefault(set => set.Domain.Length == 0));
        Assert.Equal(["0", "1"], Assert.Single(ZipMaps.Remove(sound)).Value);
        using var session = OnnxSession.Load(sound.ToByteArray());
        Assert.Equal(OnnxValueKind.Tensor, session.Outputs[0].Kind);
    }

    [Fact]
    public void A_model_from_outside_cannot_use_operators_that_trust_their_input()
    {
        var graph = new OnnxGraphBuilder("hostile");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var trees = graph.Input("trees", TensorElementType.UInt8, "B");
        graph.Output("y", graph.Node("ai.atoll", "TreeEnsemble", [x, trees], 1)[0], TensorElementType.Float, "N", "T");

        Assert.Throws<OnnxException>(() => OnnxSession.Load(graph.ToBytes()));
        Assert.Throws<OnnxException>(() => ServingForm.Make(graph.ToBytes(), CancellationToken.None));
        Assert.Throws<ModelSplitException>(() => ModelSplitter.Split(graph.ToBytes()));
        using var shared = SharedGraph.Load(graph.ToBytes());
        var asInputs = new ServingPack
        {
            GraphDigest = "d", Graph = graph.ToBytes(), Weights = [], Outputs = [new OnnxValueInfo("y", TensorElementType.Float, [-1, -1])],
            Inputs = [new OnnxValueInfo("x", TensorElementType.Float, [-1, 1]), new OnnxValueInfo("trees", TensorElementType.UInt8, [-1])],
        };
        Assert.Throws<OnnxException>(() => shared.Bind(asInputs));
    }

    [Fact]
    public void A_pack_cannot_make_an_operator_read_another_table_than_the_one_that_was_checked()
    {
        // One table is sound, the other is not; which is which depends on where one begins to count.
        var sound = ServingForm.Make(TreeModels.Random(1, 4, 1), CancellationToken.None).Weights.First(weight => weight.Type == TensorElementType.UInt8);
        var damaged = sound with { Bytes = sound.Bytes.ToArray().Select((value, i) => i > 60 ? (byte)0xFF : value).ToArray() };
        var graph = new OnnxGraphBuilder("swapped");
        graph.Input("i0", TensorElementType.UInt8, "B");
        var table = graph.Input("w0", TensorElementType.UInt8, "B");
        var x = graph.Input("w1", TensorElementType.Float, "N", "F");
        graph.Output("o0", graph.Node("ai.atoll", "TreeEnsemble", [x, table], 1)[0], TensorElementType.Float, "N", "T");
        var rows = new OnnxWeight(TensorElementType.Float, [1, TreeModels.Features], new byte[4 * TreeModels.Features], null);
        var pack = new ServingPack
        {
            GraphDigest = "d", Graph = graph.ToBytes(), Inputs = [], Outputs = [new OnnxValueInfo("y", TensorElementType.Float, [-1, 1])], Weights = [sound, damaged, rows],
        };
        using var shared = SharedGraph.Load(pack.Graph);
        Assert.Throws<OnnxException>(() => shared.Bind(pack));
        Assert.Throws<OnnxException>(() => shared.Bind(pack with { Inputs = [new OnnxValueInfo("a", TensorElementType.UInt8, [-1]), new OnnxValueInfo("b", TensorElementType.UInt8, [-1])], Weights = [rows] }));

        // Inside of another node anything could be the table.
        var then = new OnnxGraphBuilder("then");
        then.Output("inner", then.Node("ai.atoll", "TreeEnsemble", ["x", "client"], 1)[0], TensorElementType.Float, "N", "T");
        var outer = new OnnxGraphBuilder("outer");
        outer.Input("x", TensorElementType.Float, "N", "F");
        outer.Input("client", TensorElementType.UInt8, "B");
        outer.Output("o0", outer.Node("If", [outer.Scalar("yes", true)], then.ToBody("then_branch", outer), then.ToBody("else_branch", outer)), TensorElementType.Float, "N", "T");
        Assert.Throws<OnnxException>(() => SharedGraph.Load(outer.ToBytes()));
    }

    [Fact]
    public void A_dictionary_with_a_default_in_a_tensor_is_left_to_the_engine()
    {
        var graph = new OnnxGraphBuilder("dictionary");
        var x = graph.Input("x", TensorElementType.Int64, "N");
        var value = new Atoll.Serving.Onnx.Proto.TensorProto { DataType = (int)TensorElementType.Int64, Dims = { 1 }, Int64Data = { 99 } };
        var y = graph.Node("ai.onnx.ml", "LabelEncoder", [x], 1,
            OnnxGraphBuilder.Attribute("keys_int64s", [0L, 1L]), OnnxGraphBuilder.Attribute("values_int64s", [10L, 20L]), OnnxGraphBuilder.Attribute("default_tensor", value))[0];
        graph.Output("y", y, TensorElementType.Int64, "N");
        var model = graph.ToModel();
        model.OpsetImport.Single(set => set.Domain == "ai.onnx.ml").Version = 4;
        var pack = ServingForm.Make(Google.Protobuf.MessageExtensions.ToByteArray(model), CancellationToken.None);

        Assert.Null(pack.GraphDigest);
        using var session = OnnxSession.Load(pack.Graph.Span);
        using var asked = OnnxTensor.Create<long>([0, 1, 7], 3);
        using var answer = session.Run(asked)[0];
        Assert.Equal([10L, 20L, 99L], answer.Span<long>().ToArray());
    }

    [Fact]
    public void Trees_that_give_some_rows_no_score_for_a_class_are_left_to_the_engine() =>
        Assert.Contains("no score", ServingForm.Make(TreeModels.Random(3, 2, 3, isClassifier: true), CancellationToken.None).Reason, StringComparison.Ordinal);

    [Fact]
    public void A_pack_comes_back_from_its_bytes_as_it_was()
    {
        var pack = Make(Tabular(3, "trees", TaskKinds.Classification));
        var read = ServingPack.Read(pack.ToBytes());

        Assert.Equal(pack.GraphDigest, read.GraphDigest);
        Assert.Equal(pack.Graph.ToArray(), read.Graph.ToArray());
        Assert.Equal(pack.Inputs.Select(input => input.Describe()), read.Inputs.Select(input => input.Describe()));
        Assert.Equal(pack.Outputs.Select(output => output.Name), read.Outputs.Select(output => output.Name));
        Assert.Equal(pack.Weights.Select(weight => Convert.ToHexString(weight.Bytes.Span)), read.Weights.Select(weight => Convert.ToHexString(weight.Bytes.Span)));
        Assert.Equal(pack.Weights.Select(weight => string.Join('|', weight.Strings ?? [])), read.Weights.Select(weight => string.Join('|', weight.Strings ?? [])));
    }

    [Fact]
    public void Damaged_packs_are_refused_or_run_within_their_bounds()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        // Small, so that damage hits tables and heads often.
        var sound = ServingForm.Make(TreeModels.Random(1, 4, 3, isClassifier: true, stringLabels: true), CancellationToken.None).ToBytes();
        int refused = 0, ran = 0;
        for (var round = 0; round < 400; round++)
        {
            var bytes = (byte[])sound.Clone();
            if (round % 4 == 0) bytes = bytes[..random.Next(bytes.Length)];
            else for (var flips = random.Next(1, 4); flips > 0; flips--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                var pack = ServingPack.Read(bytes);
                using var graph = SharedGraph.Load(pack.Graph);
                using var model = graph.Bind(pack);
                using var x = OnnxTensor.Create<float>(TreeModels.Rows(round, 5), 5, TreeModels.Features);
                foreach (var output in model.Run(x)) output.Dispose();
                ran++;
            }
            catch (OnnxException)
            {
                refused++;
            }
        }
        Assert.True(refused > 100 && ran > 0, $"{refused} refused, {ran} ran (seed {seed}).");
    }

    private static string BytesOf(ServingPack pack) => string.Concat(pack.Weights.Select(weight => Convert.ToHexString(weight.Bytes.Span) + string.Join(' ', weight.Strings ?? [])));

    private static ServingPack Make(TrainedModel model) => ServingForm.Make(model.Onnx, CancellationToken.None);

    private static TrainedModel Tabular(int seed, string candidates, string task) => TabularTrainer.Train(
        new GeneratedTable(seed).Make(task, 200),
        new TrainingSettings { Parameters = new Dictionary<string, string> { ["trees"] = "20", ["folds"] = "2", ["candidates"] = candidates } },
        new SilentTrainingReport(), CancellationToken.None);

    private static TrainedModel Text(string[] texts, string[] labels) => TextTrainer.Train(
        new TextExamples([.. texts, .. texts], [.. Enumerable.Range(0, 2 * texts.Length).Select(i => new[] { i % texts.Length * labels.Length / texts.Length })], labels),
        false, new TrainingSettings(), new SilentTrainingReport(), CancellationToken.None);

    private static TrainedModel Image(int seed) => ImageTrainer.Train(
        GeneratedImages.Stripes(seed, 24), false, new TrainingSettings { Seed = seed, Parameters = new Dictionary<string, string> { ["epochs"] = "1" } },
        new SilentTrainingReport(), CancellationToken.None);
}
