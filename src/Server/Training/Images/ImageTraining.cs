using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Training.Evaluation;

namespace Atoll.Training.Images;

/// <summary>Training on images with labels.</summary>
internal sealed class ImageTraining : ITrainingKind
{
    public string DatasetType => DatasetTypes.Image;

    public string SampleType => DatasetTypes.Image;

    public ParameterTable Parameters => ImageTrainerParameters.Table;

    public string TaskOf(IReadOnlyDictionary<string, string> parameters, DatasetSchema schema) =>
        schema.MultiLabel ? TaskKinds.MultiLabelClassification : TaskKinds.Classification;

    public TrainedSamples Train(TrainingInput input, CancellationToken cancellationToken)
    {
        ImageExamples Read(Split split) => input.Reader.ReadImages(split, input.Order.RowsMax, input.Order.Seed);
        return new TrainedSamples(
            ImageTrainer.Train(Read(Split.Train).WithValidation(Read(Split.Validation)), input.Manifest.Schema.MultiLabel, input.Settings, input.Report, cancellationToken),
            (session, signature) => ModelEvaluator.Evaluate(session, signature, Read(Split.Test), cancellationToken));
    }
}
