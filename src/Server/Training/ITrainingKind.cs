using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Serving.Onnx;
using Atoll.Training.Audio;
using Atoll.Training.Entities;
using Atoll.Training.Images;
using Atoll.Training.Tabular;
using Atoll.Training.Text;

namespace Atoll.Training;

/// <summary>How models are made of one type of dataset. A new type is a new implementation and its line in <see cref="TrainingKinds"/>.</summary>
internal interface ITrainingKind
{
    /// <summary>The type of dataset; one of <see cref="DatasetTypes"/>.</summary>
    string DatasetType { get; }

    /// <summary>What its models read: <see cref="ModelSignature.SampleType"/>.</summary>
    string SampleType { get; }

    /// <summary>What may be chosen, where it does not depend on the dataset.</summary>
    ParameterTable Parameters { get; }

    /// <summary>What may be chosen for a dataset.</summary>
    ParameterTable ParametersOf(DatasetSchema schema) => Parameters;

    /// <summary>What the model will do; one of <see cref="TaskKinds"/>, or null when only the training will tell.</summary>
    string? TaskOf(IReadOnlyDictionary<string, string> parameters, DatasetSchema schema);

    /// <summary>Learns from the splits for that, and says how the result is measured on the test split.</summary>
    TrainedSamples Train(TrainingInput input, CancellationToken cancellationToken);
}

/// <summary>What a training reads.</summary>
internal sealed record TrainingInput(ExampleReader Reader, DatasetManifest Manifest, TrainingOrder Order, TrainingSettings Settings, ITrainingReport Report);

/// <summary>A model, and how the form of it that will be served is measured on samples that it never saw.</summary>
internal sealed record TrainedSamples(TrainedModel Model, Func<OnnxSession, ModelSignature, EvaluationReport> Evaluate);

/// <summary>Every kind of training.</summary>
internal static class TrainingKinds
{
    public static IReadOnlyList<ITrainingKind> All { get; } = [new TabularTraining(), new TextTraining(), new ImageTraining(), new EntityTraining(), new SoundTraining()];

    public static ITrainingKind Of(string datasetType) => All.Single(kind => kind.DatasetType == datasetType);
}
