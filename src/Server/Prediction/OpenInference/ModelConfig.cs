using Atoll.Contracts;
using Atoll.Platform.Http;
using Atoll.Platform.Security;
using Atoll.Prediction.OpenInference.Grpc.Messages;
using Microsoft.Extensions.Options;
using Route = Atoll.Deployments.Route;
using Wire = Atoll.Prediction.OpenInference.Grpc.Messages;

namespace Atoll.Prediction.OpenInference;

/// <summary>Tells how a model is served, in the form of Triton's ModelConfig, from which clients make up requests.</summary>
internal static class ModelConfig
{
    public static async Task HandleAsync(
        HttpContext context, string model, string? version, Caller caller, InferenceRunner runner, IOptions<PredictionOptions> options, CancellationToken cancellationToken)
    {
        var (route, missing) = await runner.FindAsync(caller.TenantId, model, version, cancellationToken);
        if (route is null) await ProblemWriter.WriteAsync(context, missing!);
        else await MessageAnswer.WriteAsync(context, Of(route, options.Value.SamplesMax), cancellationToken);
    }

    public static Wire.ModelConfig Of(Route route, int samplesMax)
    {
        // A batch dimension is one in front of others in every input, and in front in every output.
        var signature = route.Signature;
        var hasBatch = signature.Inputs.All(input => input.Shape is [-1, _, ..]) && signature.Outputs.All(output => output.Shape is [-1, ..]);
        var config = new Wire.ModelConfig
        {
            Name = route.Endpoint,
            Platform = DescribeModel.Platform,
            Backend = "onnxruntime",
            VersionPolicy = new ModelVersionPolicy { All = new ModelVersionPolicy.Types.All() },
            MaxBatchSize = hasBatch ? samplesMax : 0,
            Input =
            {
                signature.Inputs.Select(input => new ModelInput
                {
                    Name = input.Name, DataType = TypeOf(input), Dims = { Dims(input, hasBatch) }, Reshape = ReshapeOf(input, hasBatch),
                }),
            },
            Output =
            {
                signature.Outputs.Select(output => new ModelOutput
                {
                    Name = output.Name, DataType = TypeOf(output), Dims = { Dims(output, hasBatch) }, Reshape = ReshapeOf(output, hasBatch),
                }),
            },
            InstanceGroup = { new ModelInstanceGroup { Name = route.Endpoint, Kind = ModelInstanceGroup.Types.Kind.Cpu, Count = 1 } },
            DefaultModelFilename = "model.onnx",
            ModelTransactionPolicy = new ModelTransactionPolicy { Decoupled = signature.Steps is not null },
        };
        if (signature.Steps is { } steps) StepLoopConfig.Write(steps, signature, config);
        return config;
    }

    public static DataType TypeOf(TensorSpec tensor) =>
        Enum.Parse<DataType>("Type" + (tensor.Datatype == "BYTES" ? "STRING" : tensor.Datatype), ignoreCase: true);

    // The form has no tensor without dimensions; it says how one is to be read instead.
    private static IEnumerable<long> Dims(TensorSpec tensor, bool hasBatch) => HasNone(tensor, hasBatch) ? [1] : tensor.Shape.Skip(hasBatch ? 1 : 0);

    private static ModelTensorReshape? ReshapeOf(TensorSpec tensor, bool hasBatch) => HasNone(tensor, hasBatch) ? new ModelTensorReshape() : null;

    private static bool HasNone(TensorSpec tensor, bool hasBatch) => tensor.Shape.Count == (hasBatch ? 1 : 0);
}
