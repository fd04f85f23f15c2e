using Atoll.Contracts;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Prediction;

/// <summary>Small models with answers that a test can compute, of every task and kind of sample.</summary>
internal static class PredictionModels
{
    public static readonly string[] ChurnLabels = ["stays", "leaves"];
    public static readonly string[] Intents = ["card", "cash", "loan", "none"];

    /// <summary>The label is "leaves" where age (missing: 40) and a married bonus reach the threshold; probability 0.9 for what is chosen.</summary>
    /// <remarks>Reads age, income (unused but there), married (Yes or No) and city.</remarks>
    public static (byte[] Onnx, ModelSignature Signature) Churn(float threshold = 50)
    {
        var graph = new OnnxGraphBuilder("churn");
        var age = graph.Input("age", TensorElementType.Float, "N", 1);
        var income = graph.Input("income", TensorElementType.Float, "N", 1);
        var married = graph.Input("married", TensorElementType.String, "N", 1);
        var city = graph.Input("city", TensorElementType.String, "N", 1);
        var known = graph.Node("Where", [graph.Node("IsNaN", [age]), graph.Scalar("forty", 40f), age]);
        var noIncome = graph.Node("Mul", [graph.Node("Where", [graph.Node("IsNaN", [income]), graph.Scalar("zero", 0f), income]), graph.Scalar("little", 0.001f)]);
        var yes = graph.Node("Mul", [Indicator(graph, married, "Yes"), graph.Scalar("ten", 10f)]);
        var paris = graph.Node("Mul", [Indicator(graph, city, "Paris"), graph.Scalar("hundred", 100f)]);
        var sum = graph.Node("Add", [graph.Node("Add", [known, yes]), graph.Node("Add", [paris, noIncome])]);
        var leaves = graph.Node("GreaterOrEqual", [sum, graph.Scalar("threshold", threshold)]);
        var probability = graph.Node("Where", [leaves, graph.Scalar("high", 0.9f), graph.Scalar("low", 0.1f)]);
        var stays = graph.Node("Sub", [graph.Scalar("one", 1f), probability]);
        graph.Output("label", LabelOf(graph, leaves, ChurnLabels), TensorElementType.String, "N");
        graph.Output("probabilities", graph.Node("Concat", [stays, probability], OnnxGraphBuilder.Attribute("axis", 1L)), TensorElementType.Float, "N", 2);
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Classification,
            SampleType = DatasetTypes.Tabular,
            Target = "churned",
            Inputs =
            [
                new TensorSpec { Name = "age", Datatype = "FP32", Shape = [-1, 1], ColumnType = ColumnTypes.Integer, Example = "42" },
                new TensorSpec { Name = "income", Datatype = "FP32", Shape = [-1, 1], ColumnType = ColumnTypes.Currency, Example = "1000.5" },
                new TensorSpec { Name = "married", Datatype = "BYTES", Shape = [-1, 1], ColumnType = ColumnTypes.Boolean, Example = "Yes" },
                new TensorSpec { Name = "city", Datatype = "BYTES", Shape = [-1, 1], ColumnType = ColumnTypes.Category, Example = "Paris" },
            ],
            Outputs = [Spec("label", "BYTES", -1), Spec("probabilities", "FP32", -1, 2)],
            Labels = ChurnLabels,
        });
    }

    /// <summary>The same graph with a signature that says what the training data was like: cities known, age never missing, a leak.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Loans()
    {
        var (onnx, signature) = Churn();
        return (onnx, signature with
        {
            Inputs =
            [
                signature.Inputs[0] with { Importance = 0.3, MissingShare = 0 },
                signature.Inputs[1] with { Importance = 0.2, MissingShare = 0.4 },
                signature.Inputs[2] with { Importance = 0.005, MissingShare = 0 },
                signature.Inputs[3] with { Importance = 0.495, MissingShare = 0.001, Values = ["Paris", "Rome"] },
            ],
            Unread = ["id", "letter sent"],
            Leaks = ["letter sent"],
        });
    }

    /// <summary>Always says the same label of many; versions of it tell each other apart.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Constant(int answer, int weight = 0)
    {
        var graph = new OnnxGraphBuilder("constant");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var ballast = graph.Constant("ballast", new float[Math.Max(weight, 1)]);
        // Looked up by the sample, or it would be computed once and left out.
        var first = graph.Node("Cast", [graph.Node("Mul", [x, graph.Scalar("nothing", 0f)])], OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Int64));
        var zero = graph.Node("Gather", [ballast, first]);
        var value = graph.Node("Add", [graph.Node("Add", [zero, x]), graph.Scalar("answer", (float)answer)]);
        graph.Output("value", graph.Node("Reshape", [value, graph.Constant("flat", [-1L])]), TensorElementType.Float, "N");
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Regression,
            SampleType = DatasetTypes.Tabular,
            Target = "y",
            Inputs = [new TensorSpec { Name = "x", Datatype = "FP32", Shape = [-1, 1], ColumnType = ColumnTypes.Number, Example = "0" }],
            Outputs = [Spec("value", "FP32", -1)],
        });
    }

    /// <summary>Twice x, with bounds one below and one above.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Price()
    {
        var graph = new OnnxGraphBuilder("price");
        var rooms = graph.Input("rooms", TensorElementType.Float, "N", 1);
        var value = graph.Node("Reshape", [graph.Node("Mul", [rooms, graph.Scalar("two", 2f)]), graph.Constant("flat", [-1L])]);
        graph.Output("value", value, TensorElementType.Float, "N");
        graph.Output("lower", graph.Node("Sub", [value, graph.Scalar("one", 1f)]), TensorElementType.Float, "N");
        graph.Output("upper", graph.Node("Add", [value, graph.Scalar("one", 1f)]), TensorElementType.Float, "N");
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Regression,
            SampleType = DatasetTypes.Tabular,
            Target = "price",
            Inputs = [new TensorSpec { Name = "rooms", Datatype = "FP32", Shape = [-1, 1], ColumnType = ColumnTypes.Number, Example = "3.5" }],
            Outputs = [Spec("value", "FP32", -1), Spec("lower", "FP32", -1), Spec("upper", "FP32", -1)],
        });
    }

    /// <summary>A text that is the name of an intent gets it with 0.7; any other the last one. Single or multi label.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Text(bool multiLabel = false)
    {
        var graph = new OnnxGraphBuilder("text");
        var text = graph.Input("text", TensorElementType.String, "N");
        var encoder = graph.Node("ai.onnx.ml", "LabelEncoder", [text], 1,
            OnnxGraphBuilder.Attribute("keys_strings", Intents), OnnxGraphBuilder.Attribute("values_int64s", [0L, 1L, 2L, 3L]), OnnxGraphBuilder.Attribute("default_int64", 3L))[0];
        var hot = graph.Node("OneHot", [encoder, graph.Scalar("depth", 4L), graph.Constant("values", [0.1f, 0.7f])], OnnxGraphBuilder.Attribute("axis", -1L));
        graph.Output("probabilities", hot, TensorElementType.Float, "N", 4);
        if (multiLabel)
        {
            // The last label is selected always, at 0.1.
            var chosen = graph.Node("Greater", [graph.Node("Add", [hot, graph.Constant("bonus", [0f, 0f, 0f, 1f])]), graph.Scalar("half", 0.5f)]);
            graph.Output("selected", chosen, TensorElementType.Bool, "N", 4);
        }
        else
        {
            graph.Output("label", Name(graph, encoder, Intents), TensorElementType.String, "N");
        }
        return (graph.ToBytes(), new ModelSignature
        {
            Task = multiLabel ? TaskKinds.MultiLabelClassification : TaskKinds.Classification,
            SampleType = DatasetTypes.Text,
            Inputs = [new TensorSpec { Name = "text", Datatype = "BYTES", Shape = [-1], Example = "I lost my card" }],
            Outputs = [Spec("probabilities", "FP32", -1, 4), multiLabel ? Spec("selected", "BOOL", -1, 4) : Spec("label", "BYTES", -1)],
            Labels = Intents,
        });
    }

    /// <summary>Red or blue, by the mean of the pixels; the probabilities are the shares of the two.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Image()
    {
        var graph = new OnnxGraphBuilder("image");
        var image = graph.Input("image", TensorElementType.UInt8, "N", "H", "W", 3);
        var pixels = graph.Node("Div", [graph.Node("Cast", [image], OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Float)), graph.Scalar("all", 255f)]);
        var means = graph.Node("ReduceMean", [pixels, graph.Constant("plane", [1L, 2L])], OnnxGraphBuilder.Attribute("keepdims", 0L));
        var ends = graph.Node("Gather", [means, graph.Constant("redblue", [0L, 2L])], OnnxGraphBuilder.Attribute("axis", 1L));
        graph.Output("label", Name(graph, graph.Node("ArgMax", [ends], OnnxGraphBuilder.Attribute("axis", 1L), OnnxGraphBuilder.Attribute("keepdims", 0L)), ["red", "blue"]), TensorElementType.String, "N");
        graph.Output("probabilities", ends, TensorElementType.Float, "N", 2);
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Classification,
            SampleType = DatasetTypes.Image,
            Inputs = [Spec("image", "UINT8", -1, -1, -1, 3)],
            Outputs = [Spec("label", "BYTES", -1), Spec("probabilities", "FP32", -1, 2)],
            Labels = ["red", "blue"],
        });
    }

    /// <summary>Loud or quiet, by how far the samples are from zero in the mean; reads 8,000 samples a second.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Sound()
    {
        var graph = new OnnxGraphBuilder("sound");
        var samples = graph.Input("audio", TensorElementType.Float, "N", "samples");
        var level = graph.Node("ReduceMean", [graph.Node("Abs", [samples]), graph.Constant("time", [1L])]);
        var both = graph.Node("Concat", [level, graph.Node("Sub", [graph.Scalar("one", 1f), level])], OnnxGraphBuilder.Attribute("axis", 1L));
        graph.Output("label", Name(graph, graph.Node("ArgMax", [both], OnnxGraphBuilder.Attribute("axis", 1L), OnnxGraphBuilder.Attribute("keepdims", 0L)), ["loud", "quiet"]), TensorElementType.String, "N");
        graph.Output("probabilities", both, TensorElementType.Float, "N", 2);
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Classification,
            SampleType = DatasetTypes.Audio,
            SampleRate = 8_000,
            Inputs = [Spec("audio", "FP32", -1, -1)],
            Outputs = [Spec("label", "BYTES", -1), Spec("probabilities", "FP32", -1, 2)],
            Labels = ["loud", "quiet"],
        });
    }

    /// <summary>Gives back one tensor of each type, for the protocol's tests.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Echo(params (string Name, TensorElementType Type, string Datatype)[] tensors)
    {
        var graph = new OnnxGraphBuilder("echo");
        foreach (var (name, type, _) in tensors)
            graph.Output($"{name}_out", graph.Node("Identity", [graph.Input(name, type, "N", 2)]), type, "N", 2);
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Regression,
            SampleType = "tensors",
            Inputs = [.. tensors.Select(tensor => Spec(tensor.Name, tensor.Datatype, -1, 2))],
            Outputs = [.. tensors.Select(tensor => Spec($"{tensor.Name}_out", tensor.Datatype, -1, 2))],
        });
    }

    /// <summary>Counts in steps from <c>from</c> by <c>by</c> until the limit is reached: <c>number</c> is what it has come to.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Counter(float limit = 3, int? stepsMax = null, bool isDone = true)
    {
        var graph = new OnnxGraphBuilder("counter");
        var (from, by) = (graph.Input("from", TensorElementType.Float, "N", 1), graph.Input("by", TensorElementType.Float, "N", 1));
        var next = graph.Node("Add", [from, by]);
        graph.Output("next", next, TensorElementType.Float, "N", 1);
        graph.Output("number", graph.Node("Identity", [next]), TensorElementType.Float, "N", 1);
        graph.Output("done", graph.Node("GreaterOrEqual", [next, graph.Scalar("limit", limit)]), TensorElementType.Bool, "N", 1);
        return (graph.ToBytes(), new ModelSignature
        {
            Task = TaskKinds.Tensors,
            SampleType = SampleTypes.Tensors,
            Inputs = [Spec("from", "FP32", -1, 1), Spec("by", "FP32", -1, 1)],
            Outputs = [Spec("next", "FP32", -1, 1), Spec("number", "FP32", -1, 1), Spec("done", "BOOL", -1, 1)],
            Steps = new StepLoop { States = [new StepState { Output = "next", Input = "from" }], Done = isDone ? "done" : null, StepsMax = stepsMax },
        });
    }

    /// <summary>A model of steps whose state has twice the rows after each, which its other input does not have.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Growing()
    {
        var graph = new OnnxGraphBuilder("growing");
        var (from, by) = (graph.Input("from", TensorElementType.Float, "N", 1), graph.Input("by", TensorElementType.Float, "N", 1));
        var sum = graph.Node("Add", [from, by]);
        graph.Output("next", graph.Node("Concat", [sum, sum], OnnxGraphBuilder.Attribute("axis", 0L)), TensorElementType.Float, "M", 1);
        graph.Output("number", graph.Node("Identity", [sum]), TensorElementType.Float, "N", 1);
        return (graph.ToBytes(), Counter().Signature with
        {
            Outputs = [Spec("next", "FP32", -1, 1), Spec("number", "FP32", -1, 1)],
            Steps = new StepLoop { States = [new StepState { Output = "next", Input = "from" }] },
        });
    }

    /// <summary>A model of 25 steps whose state has twice the rows after each.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Doubling()
    {
        var graph = new OnnxGraphBuilder("doubling");
        var from = graph.Input("from", TensorElementType.Float, "N", 1);
        graph.Output("next", graph.Node("Concat", [from, from], OnnxGraphBuilder.Attribute("axis", 0L)), TensorElementType.Float, "M", 1);
        graph.Output("number", graph.Node("ReduceMean", [from], OnnxGraphBuilder.Attribute("keepdims", 0L)), TensorElementType.Float);
        return (graph.ToBytes(), Counter().Signature with
        {
            Inputs = [Spec("from", "FP32", -1, 1)],
            Outputs = [Spec("next", "FP32", -1, 1), Spec("number", "FP32")],
            Steps = new StepLoop { States = [new StepState { Output = "next", Input = "from" }], StepsMax = 25 },
        });
    }

    /// <summary>Answers with 4000 times what it is sent: more than lies between a server and a client that does not read.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Spreading()
    {
        var graph = new OnnxGraphBuilder("spreading");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        graph.Output("y", graph.Node("Expand", [x, graph.Constant("size", [1L, 4000])]), TensorElementType.Float, "N", 4000);
        return (graph.ToBytes(), new ModelSignature { Task = TaskKinds.Tensors, SampleType = SampleTypes.Tensors, Inputs = [Spec("x", "FP32", -1, 1)], Outputs = [Spec("y", "FP32", -1, 4000)] });
    }

    /// <summary>Gives back one number without dimensions.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Scalar()
    {
        var graph = new OnnxGraphBuilder("scalar");
        graph.Output("y", graph.Node("Identity", [graph.Input("x", TensorElementType.Float)]), TensorElementType.Float);
        return (graph.ToBytes(), new ModelSignature { Task = TaskKinds.Regression, SampleType = "tensors", Inputs = [Spec("x", "FP32")], Outputs = [Spec("y", "FP32")] });
    }

    /// <summary>Runs for long unless it is stopped: some 10^12 multiplications.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Slow()
    {
        const int size = 1024, steps = 400;
        var graph = new OnnxGraphBuilder("slow");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var square = graph.Node("Expand", [graph.Node("Slice", [x, graph.Constant("from", [0L]), graph.Constant("to", [1L])]), graph.Constant("size", [(long)size, size])]);
        var value = square;
        for (var i = 0; i < steps; i++) value = graph.Node("Tanh", [graph.Node("MatMul", [value, square])]);
        var sum = graph.Node("ReduceMean", [value], OnnxGraphBuilder.Attribute("keepdims", 0L));
        graph.Output("value", graph.Node("Reshape", [graph.Node("Add", [x, sum]), graph.Constant("flat", [-1L])]), TensorElementType.Float, "N");
        return (graph.ToBytes(), Constant(0).Signature);
    }

    /// <summary>Gives a number back by way of a large matrix, so that rows take less time together.</summary>
    public static (byte[] Onnx, ModelSignature Signature) Wide()
    {
        const int size = 768;
        var graph = new OnnxGraphBuilder("wide");
        var x = graph.Input("x", TensorElementType.Float, "N", 1);
        var value = graph.Node("MatMul", [x, graph.Constant("ones", Enumerable.Repeat(1f, size).ToArray(), 1, size)]);
        var mean = graph.Constant("mean", Enumerable.Repeat(1f / size, size * size).ToArray(), size, size);
        for (var i = 0; i < 4; i++) value = graph.Node("MatMul", [value, mean]);
        value = graph.Node("ReduceMean", [value, graph.Constant("last", [1L])], OnnxGraphBuilder.Attribute("keepdims", 0L));
        graph.Output("value", value, TensorElementType.Float, "N");
        return (graph.ToBytes(), Constant(0).Signature);
    }

    private static string Indicator(OnnxGraphBuilder graph, string column, string value) => graph.Node("ai.onnx.ml", "LabelEncoder", [column], 1,
        OnnxGraphBuilder.Attribute("keys_strings", [value]), OnnxGraphBuilder.Attribute("values_floats", [1f]), OnnxGraphBuilder.Attribute("default_float", 0f))[0];

    private static string LabelOf(OnnxGraphBuilder graph, string isSecond, string[] labels)
    {
        var index = graph.Node("Reshape", [graph.Node("Cast", [isSecond], OnnxGraphBuilder.Attribute("to", (long)TensorElementType.Int64)), graph.Constant("flat", [-1L])]);
        return Name(graph, index, labels);
    }

    private static string Name(OnnxGraphBuilder graph, string index, string[] labels) => graph.Node("Gather", [graph.Constant("labels", labels), index]);

    private static TensorSpec Spec(string name, string datatype, params long[] shape) => new() { Name = name, Datatype = datatype, Shape = shape };
}
